"""Changed files are read as a full decode shows them: bytes, headers, packets and times, of every codec."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.data.encodings import CASES, encode, x264
from tests.data.full_decode import odd_files
from tests.data.lies import OF_BYTES, OF_PACKETS

# Of these nothing but decoding tells whether a frame that was passed over is shown. A decoder of H.264 without CABAC
# leaves traces of damage in later frames.
NOT_TOLD = {"vp9", "av1", "cavlc"}
MOST_BYTES = 600_000


@pytest.fixture(scope="module")
def sources(tmp_path_factory) -> dict[str, Path]:
    folder, made = tmp_path_factory.mktemp("sources"), {}
    more = {
        "cavlc": (x264(keyint=12, bframes=2, cabac=0), "mp4"),
        "key frames only": (x264(keyint=1), "mp4"),
        "pyramid": (x264(keyint=250, bframes=8, b_pyramid="normal"), "mkv"),
    }
    for name, ((codec, options), suffix, *_) in (CASES | more).items():
        stem = name.replace(", ", "_").replace(" ", "_")
        made[stem] = encode(folder / f"{stem}.{suffix}", codec, options, num_frames=50, seed=len(made))
    return made


def counts(folder: Path, videos: list[Path], *, trials: int, seed: int) -> dict[tuple[str, str], Counter[str]]:
    """How often each came of each kind of change of each source."""
    words = [sys.executable, "-m", "tests.data.lies", str(folder), str(seed), str(trials), *map(str, videos)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=60 + trials, env=environment)
    assert done.returncode == 0, f"{done.stdout[-500:]} {done.stderr[-2000:]}"
    print(*done.stdout.splitlines()[:-1], sep="\n")
    found = json.loads(done.stdout.splitlines()[-1])
    return {tuple(key.split(" of ", 1)): Counter(each) for key, each in found.items()}


def check(found: dict[tuple[str, str], Counter[str]]) -> None:
    total: Counter[str] = sum(found.values(), Counter())
    print(dict(total))
    assert total["by plan"] > 0.1 * total.total()
    for (kind, source), each in found.items():
        if not source.startswith(tuple(NOT_TOLD)):
            assert not each["other frames"], (kind, source)
        if kind in OF_PACKETS:
            assert not each["other frames"], (kind, source)
    assert total["other frames"] <= 1 + 0.002 * total.total()


@pytest.mark.slow
def test_changed_files_are_read_as_a_full_decode_shows_them(tmp_path, sources, request):
    trials = 2000 if request.config.getoption("--full") else (len(OF_BYTES) + len(OF_PACKETS)) * len(sources)
    check(counts(tmp_path, list(sources.values()), trials=trials, seed=0))


@pytest.mark.slow
def test_changed_real_files_are_read_as_a_full_decode_shows_them(tmp_path, shared_data, request):
    trials = 2000 if request.config.getoption("--full") else 40
    odd = shared_data / "odd"
    files = [odd / name for name, total in odd_files(odd).items() if total and not name.endswith(".gif")]
    small = [path for path in files if path.stat().st_size < MOST_BYTES]
    clips = sorted((shared_data / "actions").rglob("*.mp4"))[:5]
    check(counts(tmp_path, small + clips, trials=trials, seed=1))

"""What several tests share: real videos made on the spot, and the folder of real-life ones where it is at hand."""

import multiprocessing.forkserver
import os
from collections import Counter
from pathlib import Path

import hypothesis
import pytest
import torch

from tests.videos import write_video

# One thread: tests of small networks on a busy machine lose more by waiting threads than they gain. The variable keeps
# the command from choosing another number in the tests' process.
os.environ["OMP_NUM_THREADS"] = "1"
torch.set_num_threads(1)
# How long an example takes says how busy the machine is.
hypothesis.settings.register_profile("videogn", deadline=None)
hypothesis.settings.load_profile("videogn")


@pytest.fixture(scope="session", autouse=True)
def imported_once() -> None:
    """Starts the process that others are forked from, before a test does so with less in it."""
    multiprocessing.set_forkserver_preload(["videogn.commands.trainer"])
    multiprocessing.forkserver.ensure_running()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--full",
        action="store_true",
        help="damaged files by the thousand, memory over thousands of clips, compiled networks",
    )


def pytest_configure(config: pytest.Config) -> None:
    """What decides how many examples hypothesis makes, before files of tests are read."""
    os.environ["VIDEOGN_TEST_FULL"] = "1" if config.getoption("--full") else ""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Has files with many slow tests begin first: short ones fill what is left of two processes' time."""
    num_slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -num_slow[item.path])


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with actions/ and odd/: real clips that are not part of this repository."""
    given = os.environ.get("VIDEOGN_SHARED_DATA")
    folder = Path(given) if given else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no shared data set here (VIDEOGN_SHARED_DATA)")
    return folder


@pytest.fixture(scope="session")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A video of 50 frames, 48 x 64 px."""
    return write_video(tmp_path_factory.mktemp("video") / "fifty.mp4", num_frames=50)


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of two classes: 12 training and 5 validation videos of 20 to 36 frames."""
    root = tmp_path_factory.mktemp("data")
    for split, count in (("train", 12), ("val", 5)):
        lines = []
        for index in range(count):
            name = f"{split}/{index:02d}.mp4"
            write_video(root / name, num_frames=20 + index % 5 * 4, seed=100 * count + index)
            lines.append(f"{name} {('jump', 'run')[index % 2]}")
        (root / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return root

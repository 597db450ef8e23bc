"""What a check of videos finds: one video of each kind, made here, and nothing in good ones."""

import contextlib
import json
import math
import random
import shutil
import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from tests.data.dying import inspect_or_die
from tests.data.encodings import CASES, encode, remux
from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.decoding.pyav import PyAVVideo
from videogn.data.lists.records import Records
from videogn.tools.check import run as run_module
from videogn.tools.check.clips import _touched
from videogn.tools.check.inspect import Facts, inspect
from videogn.tools.check.kinds import KINDS, Finding
from videogn.tools.check.looks import alike
from videogn.tools.check.report import write_report
from videogn.tools.check.run import STATE, Summary, check
from videogn.tools.workers import DIED

SMALL = {"num_frames": 4, "frame_interval": 2, "crop_size": 32, "scale_size": 32, "batch_size": 2, "num_workers": 0}


def kinds(path: Path) -> list[str]:
    return [kind for kind, _ in inspect(str(path), decoder="pyav").found]


def again(source: Path, target: Path, *, crf: int, size: tuple[int, int] = (64, 48), rate: int = 25) -> Path:
    """The same pictures, encoded anew."""
    with av.open(str(source)) as container, av.open(str(target), "w") as copy:
        stream = copy.add_stream("libx264", rate=Fraction(rate), options={"crf": str(crf), "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for number, frame in enumerate(container.decode(container.streams.video[0])):
            picture = frame.reformat(width=size[0], height=size[1], format="yuv420p")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            copy.mux(stream.encode(picture))
        copy.mux(stream.encode())
    return target


def zeroed(source: Path, target: Path, *, packet: int) -> Path:
    """The file with a packet zeroed, but for its first bytes."""
    with av.open(str(source)) as container:
        found = list(container.demux(video=0))[packet]
        start, end = found.pos + 8, found.pos + found.size
    data = bytearray(source.read_bytes())
    data[start:end] = bytes(end - start)
    target.write_bytes(data)
    return target


# One file


@pytest.mark.parametrize("case", CASES)
def test_nothing_is_wrong_with_good_files_of_any_encoding(case, tmp_path):
    (codec, options), suffix, _, _ = CASES[case]
    path = encode(tmp_path / f"v.{suffix}", codec, options, num_frames=40, seed=1)
    facts = inspect(str(path), decoder="pyav")
    assert (facts.found, facts.damage, facts.num_frames) == ([], [], 40)
    assert len(facts.digest) == 16
    assert len(facts.looks) == 104


def test_damage_is_found_where_it_shows(tmp_path):
    good = encode(tmp_path / "good.mp4", *CASES["h264"][0], num_frames=90, seed=1)  # a key frame every 30
    facts = inspect(str(zeroed(good, tmp_path / "bad.mp4", packet=45)), decoder="pyav")
    assert [kind for kind, _ in facts.found] == ["damaged"]
    [(first, end)] = facts.damage
    assert 30 <= first <= end <= 60
    assert facts.num_frames >= 88
    whole, bad = (decoded(path) for path in (good, tmp_path / "bad.mp4"))
    assert all(map(np.array_equal, whole[:first], bad))  # by a decode that conceals damage
    assert not all(map(np.array_equal, whole[first : end + 1], bad[first : end + 1]))


def decoded(path: Path) -> list[np.ndarray]:
    with contextlib.closing(PyAVVideo(path)) as video:
        return [frame.to_ndarray(format="rgb24") for frame in video.frames()]


def test_files_that_can_not_be_read_are_named(tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "x.jpg").write_text("no image")
    Image.new("RGB", (2000, 2)).save(tmp_path / "narrow.png")
    for name in ("text.mp4", "empty.mp4", "x.jpg", "none.mp4", "narrow.png"):
        facts = inspect(str(tmp_path / name), decoder="pyav")
        assert [kind for kind, _ in facts.found] == ["unreadable"], name
        assert facts.found[0][1]


@pytest.mark.parametrize("case", ["h264, one key frame", "h264, slices", "h264, made-up times", "vp9, hidden frames"])
def test_files_that_end_early_are_found(case, tmp_path):
    (codec, options), suffix, _, _ = CASES[case]
    whole = encode(tmp_path / f"whole.{suffix}", codec, options, num_frames=60, seed=1).read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(whole[: len(whole) * 6 // 10])
    assert "cut short" in kinds(tmp_path / f"cut.{suffix}")


def test_wrong_times_are_found(tmp_path):
    good = encode(tmp_path / "good.mkv", *CASES["h264"][0], num_frames=40, seed=1)

    def as_decoded(packets):  # as programs copy them that know no B-frames
        for number, packet in enumerate(packets):
            packet.pts = packet.dts = number * 40

    assert kinds(remux(good, tmp_path / "bad.mkv", as_decoded)) == ["wrong times"]

    def without_some(packets):
        del packets[10:13]

    assert set(kinds(remux(good, tmp_path / "gap.mkv", without_some))) & {"wrong times", "damaged"}


def test_odd_turns_are_found(tmp_path):
    Image.new("RGB", (40, 30)).save(tmp_path / "plain.jpg")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(tmp_path / "turned.jpg", exif=exif)
    assert kinds(tmp_path / "plain.jpg") == []
    assert kinds(tmp_path / "turned.jpg") == ["orientation"]
    video = write_video(tmp_path / "v.mp4", num_frames=10)
    data = bytearray(video.read_bytes())
    matrix = data.index(b"tkhd") + 44
    for angle, expected in ((0, []), (90, []), (45, ["orientation"])):
        a, b = (round(65536 * turn(math.radians(angle))) for turn in (math.cos, math.sin))
        data[matrix : matrix + 36] = struct.pack(">9i", a, b, 0, -b, a, 0, 0, 0, 1 << 30)
        video.write_bytes(data)
        assert kinds(video) == expected, angle


def test_a_folder_of_frames_is_a_file_too(tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(6):
        Image.fromarray(np.full((40, 40, 3), 40 * number, np.uint8)).save(folder / f"{number}.png")
    facts = inspect(str(folder), decoder="pyav")
    assert (facts.found, facts.num_frames) == ([], 6)
    (folder / "3.png").write_text("no image")
    assert kinds(folder) == ["unreadable"]


def test_another_decoder_says_what_it_refuses(tmp_path):
    pytest.importorskip("decord")
    path = encode(tmp_path / "v.avi", *CASES["h264, made-up times"][0], num_frames=40, seed=1)
    facts = inspect(str(path), decoder="decord")
    assert [kind for kind, _ in facts.found] == ["unreadable"]
    assert "use the decoder pyav" in facts.found[0][1]


# What clips touch


@pytest.mark.parametrize(
    ("total", "frames", "interval"), [(9, 4, 2), (7, 4, 2), (8, 4, 3), (5, 4, 2), (40, 4, 3), (1, 4, 2)]
)
def test_touched_frames_are_those_of_all_starts(total, frames, interval):
    data = KineticsDataModule(num_frames=frames, frame_interval=interval, protocol="10x1", num_workers=0)

    def drawn(views, seed: int = 0) -> set[int]:
        return set(views.indices(total, np.random.default_rng(seed)).ravel().tolist())

    clip = {"num_frames": frames, "frame_interval": interval}
    trained = set().union(*(drawn(data._train_views(), seed) for seed in range(300)))
    assert set(_touched(total, data, {"train"}, clip).tolist()) == trained
    records = Records(["a"], labels=[0])
    for split, protocol in (("val", "1x1"), ("test", "10x1")):
        views = data._test_dataset(records, protocol, frames_per_second=None).views
        assert set(_touched(total, data, {split}, clip).tolist()) == drawn(views)


# Looks


def test_copies_look_alike_and_other_videos_do_not(tmp_path):
    originals = [write_video(tmp_path / f"{seed}.mp4", num_frames=40, seed=seed) for seed in range(12)]
    copies = [
        again(originals[0], tmp_path / "crf.mp4", crf=28),
        again(originals[1], tmp_path / "large.mkv", crf=30, size=(320, 240)),
        again(originals[2], tmp_path / "slow.mp4", crf=25, rate=5),
    ]
    looks = [inspect(str(path), decoder="pyav").looks for path in [*originals, *copies]]
    assert sorted(alike(looks, [0] * len(looks))) == [(0, 12), (1, 13), (2, 14)]


def test_black_videos_are_like_no_other(tmp_path):
    looks = []
    for number in range(2):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / f"{number}.png")
        looks.append(inspect(str(tmp_path / f"{number}.png"), decoder="pyav").looks)
    assert list(alike(looks, [0, 0])) == []
    assert list(alike([], [])) == list(alike([b"", b""], [0, 0])) == []


def test_many_looks_are_compared_by_what_they_share():
    rng = np.random.default_rng(0)
    looks = [rng.bytes(104) for _ in range(3000)]
    changed = bytearray(looks[5])
    changed[0] ^= 1  # one edge of the first frame
    assert list(alike([*looks, bytes(changed)], [0] * 3001)) == [(5, 3000)]


def test_of_many_that_look_the_same_each_names_one_of_each_part():
    looks = [np.random.default_rng(0).bytes(104)] * 300
    pairs = list(alike(looks, [0] * 299 + [1]))
    assert {place for pair in pairs for place in pair} == set(range(300))
    assert len(pairs) < 2 * 300
    assert [pair for pair in pairs if 299 in pair]


# A whole data set


@pytest.fixture(scope="module")
def bad(tmp_path_factory) -> Path:
    """A data set with one of everything."""
    root = tmp_path_factory.mktemp("bad")
    for name, seed in {"a": 1, "b": 2, "c": 3, "d": 4, "val_a": 5, "val_b": 6}.items():
        write_video(root / f"{name}.mp4", num_frames=24, seed=seed)
    zeroed(root / "a.mp4", root / "damaged.mp4", packet=14)
    write_video(root / "short.mp4", num_frames=5, seed=7)
    (root / "unreadable.mp4").write_text("no video")
    shutil.copy(root / "val_a.mp4", root / "leak.mp4")
    again(root / "val_b.mp4", root / "look.mp4", crf=28)
    shutil.copy(root / "b.mp4", root / "twice.mp4")
    shutil.copy(root / "c.mp4", root / "torn.mp4")
    names = ["a", "b", "c", "d", "damaged", "short", "unreadable", "leak", "look", "twice", "missing"]
    lines = [f"{name}.mp4 0" for name in names] + ["torn.mp4 1", "val_a.mp4 3"]
    (root / "train.csv").write_text("\n".join(lines) + "\n")
    (root / "val.csv").write_text("val_a.mp4 0\nval_b.mp4 1\n")
    return root


def checked(root: Path, out: Path, **settings) -> Summary:
    return check(KineticsDataModule(str(root), **{**SMALL, **settings}), out, splits=("train", "val"), num_workers=0)


def test_everything_is_found_and_named(bad, tmp_path, capsys):
    summary = checked(bad, tmp_path)
    found = {(finding.kind, finding.split, finding.video) for finding in summary.findings}
    assert found == {
        ("unreadable", "train", "unreadable.mp4"),
        ("missing", "train", "missing.mp4"),
        ("damaged", "train", "damaged.mp4"),
        ("copy in another split", "train", "leak.mp4"),
        ("look-alike in another split", "train", "look.mp4"),
        ("in two splits", "train", "val_a.mp4"),
        ("two classes", "train", "torn.mp4"),
        ("two classes", "train", "val_a.mp4"),
        ("label gap", "train", "2"),
        ("copy", "train", "twice.mp4"),
        ("short", "train", "short.mp4"),
        ("imbalance", "train", "1"),
        ("class missing in a test", "val", ""),
    }
    assert {kind for kind, _, _ in found} <= set(KINDS)
    assert not summary.is_good
    write_report(summary, tmp_path, title="t", excluded=["already.mp4"])
    left_out = [line for line in (tmp_path / "exclude.txt").read_text().splitlines() if not line.startswith("# ")]
    assert left_out == [
        "already.mp4",
        "unreadable.mp4",
        "missing.mp4",
        "damaged.mp4",
        "leak.mp4",
        "twice.mp4",
    ]
    assert "# look.mp4\n" in (tmp_path / "exclude.txt").read_text()
    text = (tmp_path / "check.md").read_text()
    assert "| unreadable | 1 | stops |" in text
    assert "- train `leak.mp4`: the same bytes as val_a.mp4 in val" in text
    assert "leak.mp4,the same bytes" in (tmp_path / "check.csv").read_text()
    with pytest.warns(UserWarning, match=r"1 of its names are in no list \(the first is 'already\.mp4'\)"):
        after = checked(bad, tmp_path, exclude=str(tmp_path / "exclude.txt"))
    assert {finding.kind for finding in after.findings if KINDS[finding.kind].leaves_out} == {
        "look-alike in another split"
    }
    assert after.num_known == after.num_files == 9


def test_cuts_of_a_source_in_two_splits_are_found(tmp_path):
    for cut in range(12):
        write_video(tmp_path / f"s{cut // 3}_c{cut}.mp4", num_frames=24, seed=cut)
    train, val = ([cut for cut in range(12) if (cut in (2, 9, 10, 11)) is is_val] for is_val in (False, True))
    for name, cuts in (("train", train), ("val", val)):
        (tmp_path / f"{name}.csv").write_text("".join(f"s{cut // 3}_c{cut}.mp4 {cut // 3 % 2}\n" for cut in cuts))
    summary = checked(tmp_path, tmp_path / "out")
    [found] = summary.findings
    assert found == Finding(
        "source in another split?",
        "val",
        "s0_c2.mp4",
        "a cut of s0 by numbered names, as 2 of train are (the first: s0_c0.mp4)",
    )
    assert summary.is_good  # a guess
    for split in ("train", "val"):
        lines = (tmp_path / f"{split}.csv").read_text().split()
        rows = [f"{name},{label},{name[:2]}" for name, label in zip(lines[::2], lines[1::2], strict=True)]
        (tmp_path / f"{split}.csv").write_text("\n".join(["path,label,group", *rows]))
    summary = checked(tmp_path, tmp_path / "out")
    assert [(finding.kind, finding.video) for finding in summary.findings] == [("source in another split", "s0_c2.mp4")]
    assert not summary.is_good


def test_rates_that_differ_are_a_note(tmp_path):
    for name, rate in (("a", 12), ("b", 30)):
        write_video(tmp_path / f"{name}.mp4", num_frames=24, rate=rate, seed=rate)
    (tmp_path / "train.csv").write_text("a.mp4 0\nb.mp4 1\n")
    (tmp_path / "val.csv").write_text("a.mp4 0\n")
    found = [finding for finding in checked(tmp_path, tmp_path / "out").findings if finding.kind == "rates differ"]
    assert [(finding.split, finding.words[:27]) for finding in found] == [("train", "12 to 30 frames a second: a")]
    assert not [
        finding
        for finding in checked(tmp_path, tmp_path / "out", target_fps=12.0).findings
        if finding.kind == "rates differ"
    ]


def test_a_place_that_no_clip_touches_is_said_to_be_so(tmp_path):
    good = encode(tmp_path / "good.mp4", *CASES["h264"][0], num_frames=120, seed=1)
    zeroed(good, tmp_path / "bad.mp4", packet=110)
    (tmp_path / "train.csv").write_text("good.mp4 0\nbad.mp4 1\n")
    (tmp_path / "val.csv").write_text("bad.mp4 1\n")
    (tmp_path / "other.csv").write_text("good.mp4 0\n")
    (tmp_path / "classes.txt").write_text("a\nb\n")
    data = KineticsDataModule(str(tmp_path), **SMALL, train_list="other.csv", test_list="other.csv")
    found = check(data, tmp_path / "out", splits=("train", "val"), num_workers=0).findings
    assert "damaged elsewhere" in [finding.kind for finding in found]
    found = checked(tmp_path, tmp_path / "out").findings
    assert "damaged" in [finding.kind for finding in found]


def test_lists_that_a_run_refuses_are_findings(tmp_path):
    write_video(tmp_path / "a.mp4", num_frames=24)
    (tmp_path / "train.csv").write_text("a.mp4 0\na.mp4 7\na.mp4 7\n")
    (tmp_path / "val.csv").write_text("a.mp4\n")
    (tmp_path / "classes.txt").write_text("x\ny\n")
    found = checked(tmp_path, tmp_path / "out").findings
    assert [(finding.kind, finding.split, finding.video) for finding in found] == [
        ("list", "val", ""),
        ("label without name", "train", "7"),
    ]
    assert found[1].words == "2 videos of it, none of the 2 classes"


def test_a_second_run_looks_only_at_what_changed(data_root, tmp_path, monkeypatch):
    root = Path(shutil.copytree(data_root, tmp_path / "data"))
    first = checked(root, tmp_path / "out")
    assert (first.num_files, first.num_known, first.is_good) == (17, 0, True)
    lines = (tmp_path / "out" / STATE).read_text().splitlines()
    assert len(lines) == 17
    # One file changed; a line torn by a kill; a line of something else.
    write_video(root / "train/00.mp4", num_frames=30, seed=77)
    (tmp_path / "out" / STATE).write_text("\n".join(["[]", *lines[:-1], lines[-1][:50]]))
    second = checked(root, tmp_path / "out")
    assert second.num_known == 15
    assert checked(root, tmp_path / "out").num_known == 17
    assert all(json.loads(line) for line in (tmp_path / "out" / STATE).read_text().splitlines()[-2:])


@pytest.mark.slow
def test_a_file_that_ends_its_process_costs_that_file_alone(data_root, tmp_path, monkeypatch):
    root = Path(shutil.copytree(data_root, tmp_path / "data"))
    with (root / "train.csv").open("a") as lines:
        for name in ("deadly", "endless"):
            shutil.copy(root / "train/00.mp4", root / f"train/{name}.mp4")
            lines.write(f"train/{name}.mp4 run\n")
    monkeypatch.setattr(run_module, "inspect", inspect_or_die)
    monkeypatch.setattr(run_module, "LIMIT_SECONDS", 3)
    data = KineticsDataModule(str(root), **SMALL)
    summary = check(data, tmp_path / "out", splits=("train", "val"), num_workers=2)
    wrong = [finding for finding in summary.findings if finding.kind in ("crash", "unreadable")]
    names = [f"train/{name}.mp4" for name in ("deadly", "endless")]
    words = f"{DIED}, or it hung for 0.05 minutes"
    assert wrong == [Finding("crash", "train", name, words, name) for name in names]
    monkeypatch.undo()
    again_summary = check(data, tmp_path / "out", splits=("train", "val"), num_workers=0)
    assert again_summary.num_known == 17  # tried again
    assert not [finding for finding in again_summary.findings if finding.kind == "crash"]


def test_names_that_can_not_stand_in_a_list_are_said(tmp_path):
    odd = ["line\nbreak.mp4", "\udcff.mp4", "# comment.mp4", "fine, é.mp4"]
    findings = [Finding("unreadable", "train", name, "no video", name) for name in odd]
    summary = Summary(findings=findings, num_videos={"train": 4}, num_files=4, num_known=0, seconds=0.0)
    write_report(summary, tmp_path, title="t", excluded=[])
    lines = (tmp_path / "exclude.txt").read_text(encoding="utf-8").splitlines()
    assert lines[2:] == [
        "# can't stand in a list: line\\nbreak.mp4",
        "# can't stand in a list: \\udcff.mp4",
        "# can't stand in a list: # comment.mp4",
        "fine, é.mp4",
    ]


def test_real_clips_are_found_good_and_odd_ones_odd(shared_data):
    """The clips' manifest says of each what another FFmpeg reports of it."""
    manifest = json.loads((shared_data / "odd/manifest.json").read_text())
    for name in random.Random(0).sample(sorted(manifest), 25):
        path = shared_data / "odd" / name
        if not path.is_file() or path.stat().st_size > 2_000_000:
            continue
        facts: Facts = inspect(str(path), decoder="pyav")
        wrong = {kind for kind, _ in facts.found if kind in ("damaged", "unreadable", "cut short")}
        is_clean = manifest[name]["decode"] == "clean" and manifest[name]["frames"]
        assert bool(wrong) != bool(is_clean), (name, facts.found)

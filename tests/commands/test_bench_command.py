"""`videogn bench data` as a user types it: the figures are of the same clips, and say what is equal and what failed."""

import json
import math

import numpy as np
import pytest

from tests.videos import write_video
from videogn.cli import main
from videogn.data.dataset import TrainDataset
from videogn.data.decoding import decode_frames, open_video
from videogn.data.lists.records import VideoRecord
from videogn.data.views.training import TrainViews
from videogn.tools.bench import sections, timing
from videogn.tools.bench.clips import training_clips
from videogn.tools.bench.pipelines import frame_readers, sample_makers

SMALL = ["--num_frames", "8", "--crop_size", "32", "--scale_size", "40", "48", "--test_size", "48", "--batch_size", "2"]


@pytest.mark.slow
def test_tables_and_figures(tmp_path, capsys):
    for seed in range(3):
        write_video(tmp_path / "videos" / f"{seed}.mp4", num_frames=40, seed=seed)
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"nothing")
    target = tmp_path / "bench.json"
    words = [
        "bench",
        "data",
        str(tmp_path / "videos"),
        *SMALL,
        "--seconds",
        "8",
        "--num_workers",
        "0",
        "1",
        "--prepare",
    ]
    assert main([*words, "--json", str(target)]) == 0
    out = capsys.readouterr().out
    assert "frames of a clip" in out
    assert "broken.mp4" in out
    figures = json.loads(target.read_text())
    assert figures["num_videos"] == 3
    assert list(figures["left_out"]) == [str(tmp_path / "videos" / "broken.mp4")]
    frames = {row["name"]: row for row in figures["frames"]}
    assert frames["PyAV, from the beginning"]["same_bytes"] == 1
    samples = {row["name"]: row for row in figures["samples"]}
    assert samples["videogn"]["mean_difference"] == samples["videogn, first epoch"]["mean_difference"] == 0
    assert 0 < samples["pytorchvideo"]["mean_difference"] < 25
    settings = {row["name"]: row for row in figures["training"]}
    assert settings["videogn"]["clips"] == 1
    assert settings["clips_per_video 2"]["clips"] == 2
    assert settings["target_fps 15"]["ratio"] > 0
    assert settings["color_jitter [0.4,0.4,0.4,0.1]"]["ratio"] > 1
    stages = {row["name"]: row["median_seconds"] for row in figures["stages"]}
    assert 0 < stages["open the file"] < sum(stages.values())
    assert stages["in the first epoch: look through its packets"] > 0
    tests = {row["name"]: row for row in figures["tests"]}
    assert tests["a decode for each view"]["ratio"] > 2  # 30 decodes
    assert [row["num_workers"] for row in figures["loaders"]] == [0, 1]
    assert all(row["clips_per_second"] > 0 for row in figures["loaders"])
    assert {row["name"] for row in figures["prepared"]} == {"as it is", "prepared"}
    assert all(row["bytes"] > 0 for row in figures["prepared"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bench.json", "videos"]


@pytest.mark.parametrize(
    ("words", "message", "status"),
    [
        (["none.mp4"], "none.mp4: no such file or folder", 2),
        (["{root}"], "no videos in this folder", 2),
        (["{root}/broken"], "none of the 1 videos can be decoded", 1),
        (["{root}/broken", "--seconds", "0"], "must be positive", 2),
        (["{root}/broken", "--seconds", "nan"], "must be positive", 2),
        (["{root}/broken", "--num_workers", "0", "-1"], "expected numbers from 0 up", 2),
        (["{root}/broken", "--protocol", "5x5"], "unknown protocol '5x5'", 2),
        (["{root}/broken", "--crop_size", "999"], "must rise and not be below crop_size", 2),
    ],
)
def test_what_cannot_be_measured_is_refused_before_work(tmp_path, words, message, status, capsys, monkeypatch):
    monkeypatch.setattr(sections, "interleaved", lambda *_, **__: pytest.fail("it began to measure"))
    (tmp_path / "broken").mkdir()
    if "{root}" not in words:
        (tmp_path / "broken" / "a.mp4").write_bytes(b"nothing")
    assert main(["bench", "data", *(word.format(root=tmp_path) for word in words)]) == status
    error = capsys.readouterr().err.splitlines()[-1]
    assert message in error


def test_clips_are_those_of_a_dataset(video, tmp_path):
    views = TrainViews(8, 2, (40, 48), 32, 0.5)
    files, lengths = [str(video), str(write_video(tmp_path / "other.mp4", num_frames=30, seed=9))], [50, 30]
    dataset = TrainDataset([VideoRecord(file, 0, k, str(k)) for k, file in enumerate(files)], views=views, seed=4)
    clips = training_clips(files, lengths, views=views, seed=4)
    for _ in range(6):
        clip = next(clips)
        rng = np.random.default_rng((4, clip.epoch, clip.place))
        assert clip.path == files[clip.place]
        assert clip.indices == views.indices(lengths[clip.place], rng)[0].tolist()
        state = rng.bit_generator.state
        assert clip.augmentation == views.augmentation(rng)
        rng.bit_generator.state = state
        with open_video(clip.path) as opened:
            frames = dict(opened.read(clip.indices, window=views.window(rng)))
        expected = np.stack([frames[index] for index in clip.indices])
        np.testing.assert_array_equal(dataset[clip.epoch, clip.place]["views"][0, 0].numpy(), expected)


def test_other_ways_see_the_same_frames_and_about_the_same_pixels(video):
    """On a smooth picture filters differ little: a wrong frame, crop or flip would show."""
    views = TrainViews(8, 2, (64, 80), 56, 0.5)
    clips = training_clips([str(video)], [50], views=views, seed=1)
    for clip in (next(clips) for _ in range(6)):
        ours = decode_frames(clip.path, clip.indices).numpy()
        for name, read in frame_readers().items():
            np.testing.assert_array_equal(read(clip.path, clip.indices), ours, err_msg=name)
        dataset = TrainDataset([VideoRecord(str(video), 0, 0, "a")], views=views, seed=1)
        sample = dataset[clip.epoch, clip.place]["views"].flatten(0, 1).permute(0, 4, 1, 2, 3).float()
        for name, make in sample_makers().items():
            found = make(clip).float()
            assert found.shape == sample.shape == (1, 3, 8, 56, 56), name
            far = float((found.flip(-1) - sample).abs().mean())
            assert float((found - sample).abs().mean()) < 0.5 * far, name


def test_failures_count_and_ratios_are_of_shared_rounds(monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))

    def fails_on_odd(piece: int) -> int:
        if piece % 2:
            raise ValueError(f"piece {piece}\nand more")
        return next(clock)  # a tick more than the other

    seen, turns = [], []
    times = timing.interleaved(
        {"plain": lambda piece: turns.append("plain"), "odd": lambda piece: turns.append("odd") or fails_on_odd(piece)},
        iter(range(100)),
        seconds=60,
        min_rounds=4,
        on_round=lambda piece, results: seen.append((piece, sorted(results))),
    )
    rounds = len(times["plain"].seconds)
    assert rounds == len(times["odd"].seconds) == len(seen) - 1 >= 4  # the first piece, 0, warmed up
    assert times["odd"].num_failed == (rounds + 1) // 2
    assert times["odd"].error == "ValueError: piece 1"
    assert times["odd"].ratio_to(times["plain"]) == 2
    assert times["odd"].more_than(times["plain"]) == 1
    assert times["odd"].per_second == 0.5
    assert seen[:2] == [(0, ["odd", "plain"]), (1, ["plain"])]
    assert {turns[place] for place in range(0, len(turns), 2)} == {"plain", "odd"}  # both come first at times
    assert math.isnan(timing.Times([None], "x").median)


def test_a_way_that_is_too_slow_is_left_out(monkeypatch):
    clock = iter(range(10_000))
    monkeypatch.setattr(timing.time, "perf_counter", lambda: float(next(clock)))
    ways = {"quick": lambda piece: None, "slow": lambda piece: [next(clock) for _ in range(40)]}
    times = timing.interleaved(ways, iter(range(100)), seconds=60, min_rounds=5)
    assert times["slow"].seconds == []
    assert times["slow"].error == "left out: 41.0 s a round"
    assert len(times["quick"].seconds) >= 5
    assert math.isnan(times["slow"].ratio_to(times["quick"]))


def test_a_sample_that_cannot_be_decoded_counts_as_a_failure(tmp_path, video):
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(video.read_bytes()[:300])
    dataset = TrainDataset([VideoRecord(str(broken), 0, 0, "a")], views=TrainViews(8, 2, (40, 48), 32, 0.5))
    with pytest.raises(RuntimeError, match=r"broken\.mp4"):
        sections._as_batch(dataset[0, 0])

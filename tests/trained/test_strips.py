"""Strips of frames: of the right videos, the right frames, small, and with a reason where there are none."""

import io
import shutil

import av
import numpy as np
import pytest
from PIL import Image

from tests.data.images import write_image
from tests.trained.reports import draw_scores, write_run
from tests.videos import write_video
from videogn.data.decoding import DecodeError
from videogn.trained.report.gather import gather
from videogn.trained.report.strips import GAP, MOST_BYTES, draw, evenly, find_files, most_wrong, strips_of


def tiles(jpeg: bytes, number: int) -> list[np.ndarray]:
    """The frames of a strip, float [H, W, 3]."""
    strip = np.asarray(Image.open(io.BytesIO(jpeg)), float)
    width = (strip.shape[1] - GAP * (number - 1)) // number
    return [strip[:, place * (width + GAP) :][:, :width] for place in range(number)]


def test_frames_are_those_of_a_full_decode(video):
    with av.open(str(video)) as container:
        every = [frame.to_ndarray(format="rgb24").astype(float) for frame in container.decode(video=0)]
    found = tiles(draw(str(video)), 8)
    for tile, index in zip(found, [3, 9, 15, 21, 28, 34, 40, 46], strict=True):
        assert tile.shape == every[index].shape == (48, 64, 3)
        errors = [np.abs(tile - frame).mean() for frame in every]
        assert int(np.argmin(errors)) == index
        assert errors[index] < 10  # JPEG


def test_a_few_frames_are_all_shown():
    assert evenly(50) == [3, 9, 15, 21, 28, 34, 40, 46]
    assert evenly(8) == list(range(8))
    assert evenly(3) == [0, 1, 2]
    assert evenly(1) == evenly(0) == [0]


def test_a_strip_of_noise_in_any_shape_stays_small(tmp_path):
    rng = np.random.default_rng(0)
    for height, width in ((480, 640), (640, 360), (64, 2000)):
        folder = tmp_path / f"{height}x{width}"
        for index in range(9):
            noise = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
            write_image(folder / f"{index:03d}.png", Image.fromarray(noise))
        jpeg = draw(str(folder), frames_per_second=25.0)
        assert len(jpeg) <= MOST_BYTES
        strip = Image.open(io.BytesIO(jpeg))
        assert strip.height <= 112
        assert strip.width <= 8 * 160 + 7 * GAP


def test_an_image_is_one_frame(tmp_path):
    image = write_image(tmp_path / "a.png")
    (tile,) = tiles(draw(str(image)), 1)
    assert np.abs(tile - np.asarray(Image.open(image), float)).mean() < 6


def test_a_file_that_promises_too_much_shows_what_it_has(tmp_path, shared_data):
    """Cut files, whose headers count more frames than there are."""
    whole = write_video(tmp_path / "whole.mkv", num_frames=40)
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    assert len(draw(str(cut))) > 500
    with pytest.raises(DecodeError):
        draw(str(write_image(tmp_path / "x.png").rename(tmp_path / "x.mp4").parent / "none.mp4"))


def test_the_videos_are_those_whose_own_class_is_least_probable(tmp_path):
    labels, probabilities = draw_scores(300, 4)
    scores = gather(write_run(tmp_path, labels=labels, probabilities=probabilities)).scores
    own = probabilities[np.arange(300), labels]
    wrong = [int(place) for place in np.argsort(own) if probabilities[place].argmax() != labels[place]]
    assert len(wrong) > 24
    assert most_wrong(scores) == wrong[:24]


def test_videos_are_found_as_the_test_found_them_or_the_reason_is_said(tmp_path, video):
    root = tmp_path / "videos"
    (root / "below").mkdir(parents=True)
    for name in ("a.mp4", "below/é.mp4"):
        shutil.copy(video, root / name)
    (root / "broken.mp4").write_bytes(b"no video")
    (root / "test.csv").write_text("a 0\nbelow/é 1\ngone 0\nbroken 1\n")
    names = ["a", "below/é", "gone", "broken"]
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.6, 0.4]])
    given = {"names": names, "labels": labels, "probabilities": probabilities, "root": root}
    run = write_run(tmp_path / "run", **given, data={"test_list": str(root / "test.csv")})
    gathered = gather(run)
    found = find_files(names, settings=gathered.settings["data"], result=gathered.result)
    assert found == {
        "a": str(root / "a.mp4"), "below/é": str(root / "below/é.mp4"), "gone": None, "broken": str(root / "broken.mp4")
    }  # fmt: skip
    seen = []
    strips = strips_of(
        most_wrong(gathered.scores), names, settings=gathered.settings["data"], result=gathered.result,
        on_done=lambda *done: seen.append(done),
    )  # fmt: skip
    assert [(strip.place, strip.jpeg is None) for strip in strips] == [(0, False), (1, False), (2, True), (3, True)]
    assert strips[2].reason == "the file is not there"
    assert "broken" not in strips[3].reason
    assert strips[3].reason
    assert [(name, done, total) for name, _, done, total in seen] == [(name, k + 1, 4) for k, name in enumerate(names)]
    # The test's own list and root win over the config's, and a root that is gone has nothing.
    moved = write_run(
        tmp_path / "moved", **{**given, "root": "/gone"}, test_list={"root": str(root), "list": str(root / "test.csv")}
    )
    assert find_files(["a"], settings=gather(moved).settings["data"], result=gather(moved).result)["a"] is not None
    gone = gather(write_run(tmp_path / "gone", **{**given, "root": "/gone"}))
    assert set(find_files(names, settings=gone.settings["data"], result=gone.result).values()) == {None}

"""What predict can be asked of a window that slides, and what it refuses."""

from pathlib import Path

import pytest
from jsonargparse import Namespace

from videogn.commands.sliding import LIVE_EVERY_SECONDS, asked_of
from videogn.commands.usage import UsageError
from videogn.trained.segments import THRESHOLD

NOTHING = dict.fromkeys(("every_seconds", "threshold", "csv", "timeline", "overlay", "camera", "json"))


def settings(**given) -> Namespace:
    data = Namespace(multi_label=given.pop("multi_label", False))
    return Namespace(**{**NOTHING, "videos": ["a.mp4"], "data": data, **given})


def test_it_is_off_by_default_and_on_for_what_is_live():
    assert asked_of(settings()) is None
    assert asked_of(settings(multi_label=True, threshold=0.3)) is None  # of whole videos
    of_file = asked_of(settings(every_seconds=0.5))
    assert of_file is not None
    assert (of_file.every_seconds, of_file.threshold, of_file.live) == (0.5, THRESHOLD, None)
    for live in ({"videos": ["-"]}, {"videos": [], "camera": "0"}):
        asked = asked_of(settings(**live))
        assert asked is not None
        assert asked.live is not None
        assert asked.every_seconds == LIVE_EVERY_SECONDS


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"overlay": "o.mp4"}, "--overlay is of a window that slides: give --every_seconds"),
        ({"threshold": 0.5}, "--threshold is of a window that slides: give --every_seconds"),
        ({"threshold": 1.5, "multi_label": True}, "--threshold is 1.5; expected a probability"),
        ({"csv": "o.csv", "multi_label": True}, "--csv is of a window that slides: give --every_seconds"),
        ({"every_seconds": 0.0}, "--every_seconds is 0; expected seconds, more than 0"),
        ({"every_seconds": float("nan")}, "--every_seconds is nan; expected seconds, more than 0"),
        ({"every_seconds": 1.0, "threshold": 1.5}, "--threshold is 1.5; expected a probability"),
        ({"every_seconds": 1.0, "threshold": 0.0}, "--threshold is 0; expected a probability"),
        ({"every_seconds": 1.0, "timeline": "o.pdf"}, "--timeline o.pdf: expected a name that ends in .png"),
        ({"every_seconds": 1.0, "overlay": "o.avi"}, "--overlay o.avi: expected a name that ends in .mp4 or .mkv or"),
        ({"every_seconds": 1.0, "csv": "none/o.csv"}, "--csv none/o.csv: no such folder"),
        ({"every_seconds": 1.0, "overlay": "none/o.mp4"}, "--overlay none/o.mp4: no such folder"),
        ({"videos": ["-"], "overlay": "o.mp4"}, "--overlay reads a video again"),
        ({"videos": ["-", "a.mp4"]}, "is the only video of its command"),
        ({"camera": "0"}, "is the only video of its command"),
    ],
)
def test_what_can_not_be_asked_for(tmp_path, monkeypatch, given, said):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as raised:
        asked_of(settings(**given))
    assert said in str(raised.value)


def test_a_copy_is_of_one_video_file(tmp_path, video):
    asked = asked_of(settings(every_seconds=1.0, overlay=str(tmp_path / "o.mp4")))
    assert asked is not None
    asked.check_videos([str(video)])
    for paths, said in (
        ([str(video), "b.mp4"], "--overlay is of one video, and here are 2"),
        ([str(tmp_path)], "--overlay is a copy of a video file, which"),
        ([str(Path("a.png"))], "--overlay is a copy of a video file, which a.png is not"),
    ):
        with pytest.raises(UsageError, match=said):
            asked.check_videos(paths)

"""The figure of a timeline, and how times are said."""

import io

import numpy as np
import pytest
from PIL import Image

from videogn.commands.sliding_tables import print_tables
from videogn.trained.segments import segments
from videogn.trained.sliding import TimeWindow
from videogn.trained.timeline import Timeline, clock
from videogn.trained.timeline_figure import MOST_POINTS, draw_timeline, shown_labels


def timeline(scores: np.ndarray, *, every: float = 1.0, classes: list[str] | None = None) -> Timeline:
    names = classes or [f"class {label}" for label in range(scores.shape[1])]
    found = Timeline(names)
    for place, row in enumerate(scores):
        found.add(TimeWindow(every * place, every * place + 2, (0, 0), dict(zip(names, row.tolist(), strict=True))))
    return found


@pytest.mark.parametrize(
    ("seconds", "decimals", "said"),
    [(0, 1, "0:00.0"), (7.46, 1, "0:07.5"), (59.96, 1, "1:00.0"), (3599.99, 0, "1:00:00"), (3727.5, 1, "1:02:07.5")],
)
def test_times_are_said_as_players_do(seconds, decimals, said):
    assert clock(seconds, decimals=decimals) == said


def test_the_classes_that_are_seen_are_shown():
    scores = np.full((30, 400), 0.001, np.float32)
    scores[:20, 300] = 0.9
    scores[20:, 7] = 0.8
    scores[3, 11] = 0.4
    found = timeline(scores)
    labels = shown_labels(scores, segments(found.times, scores, threshold=0.5))
    assert {7, 11, 300} < set(labels)
    assert len(labels) == 7
    assert labels == sorted(labels)


@pytest.mark.parametrize("num_windows", [1, 5, 5 * MOST_POINTS])
def test_it_is_drawn_of_any_length(num_windows):
    scores = np.random.default_rng(0).dirichlet([0.3] * 3, num_windows).astype(np.float32)
    found = timeline(scores, classes=["$x^2$", "a <b> & c", "прыжок" * 9])
    stretches = segments(found.times, scores, threshold=0.5)
    drawing, again = (draw_timeline("a $long$ name.mp4", found, stretches, threshold=0.5) for _ in range(2))
    assert drawing == again
    assert Image.open(io.BytesIO(drawing.png)).size[0] == 1134
    svg = drawing.svg.decode()
    assert len(svg) < 600_000
    for text in ("$x^2$", "a &lt;b&gt; &amp; c", "a $long$ name.mp4", "time in the video"):
        assert text in svg


def test_tables_stay_short(capsys):
    scores = np.tile(np.eye(2, dtype=np.float32), (50, 1))
    found = timeline(scores, every=3.0)
    print_tables("a.mp4", found, segments(found.times, scores, threshold=0.5), threshold=0.5)
    said = capsys.readouterr().out
    assert "the first 20 of 100 stretches" in said
    assert "the first 20 of 100 segments" in said
    assert len(said.splitlines()) < 60

"""Segments against a look at every moment; a timeline's places against a look at every window."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from videogn.trained.segments import Segment, segments
from videogn.trained.sliding import TimeWindow
from videogn.trained.timeline import Timeline


@st.composite
def windows(draw) -> tuple[list[tuple[float, float]], np.ndarray]:
    """Windows at whole seconds, of any lengths and distances, and the scores of three classes in tenths."""
    steps = draw(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 6)), max_size=12))
    starts = np.cumsum([step for step, _ in steps]) if steps else []
    times = [(float(start), float(start + length)) for start, (_, length) in zip(starts, steps, strict=True)]
    shape = st.lists(st.integers(0, 10), min_size=3 * len(times), max_size=3 * len(times))
    return times, np.array(draw(shape), np.float32).reshape(-1, 3) / 10


@given(windows(), st.integers(1, 10))
def test_a_class_is_seen_where_a_window_sees_it(given_windows, tenths):
    times, scores = given_windows
    threshold = np.float32(tenths) / np.float32(10)
    found = segments(times, scores, threshold=threshold)
    expected = []
    for label in range(3):
        seen: list[tuple[int, float]] = []  # each second that a window above the threshold shows, with the highest
        for second in range(80):
            above = [
                float(scores[k, label])
                for k, (start, end) in enumerate(times)
                if start <= second < end and scores[k, label] >= threshold
            ]
            if above:
                seen.append((second, max(above)))
        for place, (second, highest) in enumerate(seen):
            if place and seen[place - 1][0] == second - 1:
                last = expected[-1]
                expected[-1] = Segment(label, last.start, second + 1, max(last.highest, highest))
            else:
                expected.append(Segment(label, second, second + 1, highest))
    assert found == sorted(expected, key=lambda segment: (segment.start, segment.label))


def test_windows_with_time_between_are_of_two_segments():
    scores = np.array([[0.9], [0.8], [0.1], [0.7]], np.float32)
    times = [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.5, 5.5)]
    found = segments(times, scores, threshold=0.5)
    assert [(segment.start, segment.end) for segment in found] == [(0, 3), (3.5, 5.5)]
    assert [round(segment.highest, 6) for segment in found] == [0.9, 0.7]
    assert segments([], np.empty((0, 4), np.float32), threshold=0.5) == []


@given(windows(), st.floats(-1, 90))
def test_a_moment_is_told_by_the_window_whose_middle_is_nearest(given_windows, seconds):
    times, scores = given_windows
    times = [(start, start + 4) for start, _ in times]  # of one length, as of one clip
    timeline = Timeline(["a", "b", "c"])
    for (start, end), row in zip(times, scores, strict=True):
        timeline.add(TimeWindow(start, end, (0, 0), dict(zip("cab", row[[2, 0, 1]].tolist(), strict=True))))
    assert timeline.times == times
    assert np.array_equal(timeline.scores, scores)
    place = timeline.place_at(seconds)
    shows = [k for k, (start, end) in enumerate(times) if start <= seconds < end]
    assert (place is None) == (not shows)
    if place is not None:
        middle = [abs((start + end) / 2 - seconds) for start, end in times]
        assert middle[place] == min(middle)
        names, shares = zip(*timeline.best(place, 3), strict=True)
        assert list(shares) == sorted(scores[place].tolist(), reverse=True)
        assert {name: "abc".index(name) for name in names} == {"a": 0, "b": 1, "c": 2}

"""Words and figures as people read them."""

import pytest

from videogn.wording import counted, duration_text, listed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.4, "0 s"),
        (119, "119 s"),
        (150, "2.5 min"),
        (5400, "90 min"),
        (7200, "2.0 h"),
        (4.5e6, "1,250.0 h"),
    ],
)
def test_the_unit_suits_the_time(seconds, text):
    assert duration_text(seconds) == text


def test_things_are_counted_and_listed():
    counts = [counted(1, "class"), counted(0, "seed"), counted(1250, "class")]
    assert counts == ["1 class", "0 seeds", "1,250 classes"]
    assert [listed(["a"]), listed(["a", "b"]), listed(["a", "b", "c"])] == ["a", "a and b", "a, b and c"]

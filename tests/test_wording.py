"""Times as people read them."""

import pytest

from videogn.wording import duration_text


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

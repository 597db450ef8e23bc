"""What points are called, and what of them is drawn how."""

from types import SimpleNamespace

import pytest

from videogn.ablation.report.curves_figure import _hue
from videogn.ablation.report.error_marks import Bars, bar_of, mark_of, style_of
from videogn.ablation.report.estimates import estimate
from videogn.ablation.report.text import level_words, point_words
from videogn.ablation.study import Study
from videogn.norms import NORMS


def test_an_axis_called_norm_has_the_words_and_colours_of_norms():
    assert point_words({"norm": "frozen_bn", "clips": "8x2"}) == "frozen BN, 8x2"
    assert point_words({"norm": "gn", "norm_batch_size": "2"}) == "GN at normalisation batch 2"
    assert level_words("norm", "gn, lr x2") == "gn, lr x2"
    assert style_of({"norm": "bn"}, place=0) == style_of({"model.norm": "bn"}, place=3)


def test_weight_standardization_is_said_beside_the_norm_and_drawn_apart():
    assert point_words({"norm": "gn+ws", "norm_batch_size": "2"}) == "GN+WS at normalisation batch 2"
    assert level_words("clips", "gn+ws") == "gn+ws"
    drawn = {label: style_of({"norm": label}, place=0) for label in (*NORMS, *(f"{norm}+ws" for norm in NORMS))}
    assert len({drawn[label] for label in (*NORMS, "gn+ws", "bn+ws")}) == len(NORMS) + 2
    assert style_of({"norm": "x+ws"}, place=1) == style_of({"norm": "x"}, place=1)


def test_no_bar_goes_below_nothing_or_above_all():
    def ends(values: list[float], bars: Bars) -> tuple[float, float]:
        results = {seed: SimpleNamespace(top1=value) for seed, value in enumerate(values)}
        point = SimpleNamespace(top1=estimate(values, num_videos=400), results=results, levels=())
        found = mark_of(SimpleNamespace(paper={}), point, bars=bars)
        bar = bar_of(found)
        return (found.low, found.high) if bar is None else (found.error - bar[0][0], found.error + bar[1][0])

    for bars in ("deviation", "interval"):
        for values in ([99.0, 87.0, 99.5], [1.0, 0.5, 13.0]):
            low, high = ends(values, bars)
            assert 0 <= low < 100 - sum(values) / 3 < high <= 100
    assert ends([100.0, 90.0, 98.0], "deviation")[0] == 0.0
    assert ends([50.0, 60.0, 70.0], "none") == (40.0, 40.0)


@pytest.mark.parametrize(
    ("axes", "hue"),
    [
        ({"model.norm": ["gn", "bn"], "norm_batch_size": [8, 4, 2]}, "norm_batch_size"),
        ({"model.norm": ["gn", "bn", "ln"]}, None),
        ({"data.num_frames": [4, 8], "model.norm": ["gn", "bn"]}, "data.num_frames"),
        ({"model.num_groups": [1, 2, 4, 8, 16, 32]}, None),
        ({"model.num_groups": [1, 2, 4, 8, 16]}, "model.num_groups"),
    ],
)
def test_colours_are_of_few_levels_and_panels_of_norms(axes, hue):
    assert _hue(SimpleNamespace(study=Study(base="b.yaml", axes=axes))) == hue

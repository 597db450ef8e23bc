"""Which settings are on the frontier of accuracy against cost, by hand; and when there is one to draw."""

from pathlib import Path

import pytest

from tests.ablation.studies import change, make_study
from videogn.ablation.report.cost_figure import draw_cost
from videogn.ablation.report.frontier import TIME, Panel, Priced, frontier_text, panels_of
from videogn.ablation.report.gather import Gathered, gather
from videogn.ablation.report.write import write_report


def priced_study(folder: Path, *, seconds: dict[str, list[float]], mebibytes: dict[str, int]) -> Gathered:
    """STUDY (GN 88.2 %, BN 89.5 % at 16 and 69 % at 2) with its runs' costs by setting."""
    make_study(folder)
    for name, values in seconds.items():
        for seed, value in enumerate(values):
            memory = mebibytes[name] * 2**20
            change(folder, f"{name}-seed{seed}", train_seconds=value, peak_memory_bytes=memory)
    return gather(folder)


def test_the_frontier_is_the_one_by_hand_and_the_report_names_it(tmp_path):
    gathered = priced_study(
        tmp_path,
        seconds={"gn-nb16": [59, 60, 61], "bn-nb16": [100, 120, 122], "bn-nb2": [80, 85, 92]},
        mebibytes={"gn-nb16": 300, "bn-nb16": 300, "bn-nb2": 310},
    )
    paths = write_report(tmp_path)
    text = paths["markdown"].read_text()
    assert (
        "By training time and mean top-1, the frontier is GN at normalisation batch 16 (88.2 %, 60 s) and BN at "
        in text
    )
    assert "By peak memory and" not in text  # all within a tenth
    assert "Costs up to 15 % (training time) apart count as the same." in text  # the median over settings: 92 / 80
    assert "![Top-1 in percent against cost." in text
    assert {"cost", "cost_svg"} <= set(paths)
    assert gathered.points[1].same_as is not None  # GN at 2: the same runs, drawn once


def test_a_cost_is_drawn_where_settings_differ_by_it_on_one_kind_of_device(tmp_path):
    names = ("gn-nb16", "bn-nb16", "bn-nb2")
    sizes = {"gn-nb16": 200, "bn-nb16": 100, "bn-nb2": 300}
    gathered = priced_study(tmp_path, seconds={name: [60, 60, 60] for name in names}, mebibytes=sizes)
    (found,) = panels_of(gathered.points)
    assert frontier_text(found) == (
        "By peak memory and mean top-1, the frontier is BN at normalisation batch 16 (89.5 %, 100 MiB): for every "
        "other setting there is one with a higher mean that costs no more, or with the same mean that costs less."
    )
    change(tmp_path, "gn-nb16-seed0", device="another")
    assert panels_of(gather(tmp_path).points) == []
    assert draw_cost(gather(tmp_path)) is None


def panel(*settings: tuple[float, float], noise: float = 1.1) -> list[tuple[float, float]]:
    priced = tuple(Priced(None, cost, top1) for cost, top1 in settings)
    return [(each.cost, each.top1) for each in Panel(TIME, priced, noise).frontier]


@pytest.mark.parametrize(
    ("settings", "frontier"),
    [
        ([(1, 50.0), (2, 60.0), (3, 55.0)], [(1, 50.0), (2, 60.0)]),
        ([(1, 50.0), (1.05, 60.0)], [(1.05, 60.0)]),  # the difference in cost is noise
        ([(1, 50.0), (1.2, 50.0)], [(1, 50.0)]),
        ([(1, 50.0), (1.05, 50.0)], [(1, 50.0), (1.05, 50.0)]),
        ([(1, 60.0), (2, 50.0), (3, 40.0)], [(1, 60.0)]),
    ],
)
def test_costs_within_the_noise_are_the_same(settings, frontier):
    assert panel(*settings) == frontier

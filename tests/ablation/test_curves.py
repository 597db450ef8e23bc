"""A run's curves, from what Lightning's logger leaves."""

import pytest

from videogn.ablation.report.curves import read_curves
from videogn.ablation.report.curves_figure import over_seeds


def write(folder, text: str):
    (folder / "metrics.csv").write_text(text)
    return read_curves(folder)


def test_epochs_without_a_validation_have_none(tmp_path):
    curves = write(
        tmp_path,
        "clips_per_second,epoch,step,train/top1_epoch,train/top1_step,val/top1\n"
        "10,0,9,,0.1,\n30,0,19,,0.2,\n,0,19,0.25,,\n20,1,29,,0.3,\n,1,29,,,0.75\n,1,29,0.5,,\n",
    )
    assert curves.train == {1: pytest.approx(75.0), 2: pytest.approx(50.0)}
    assert curves.validation == {2: pytest.approx(25.0)}
    assert curves.clips_per_second == 20.0


def test_an_epoch_that_was_run_again_counts_once_and_as_the_later(tmp_path):
    curves = write(tmp_path, "epoch,step,val/top1\n0,9,0.5\n0,9,0.6\n1,19,nan\n1,19,\n")
    assert curves.validation == {1: pytest.approx(40.0)}
    assert curves.train == {}
    assert curves.clips_per_second is None


@pytest.mark.parametrize("text", ["", "epoch,step\n0,1\n", "\x00", "a,b\n1,2,3,4\n"])
def test_what_says_nothing_is_none(tmp_path, text):
    assert write(tmp_path, text) is None
    assert read_curves(tmp_path / "absent") is None


def test_a_mean_over_seeds_stands_only_where_all_have_a_value():
    assert over_seeds([{1: 10.0, 2: 20.0}, {2: 30.0, 3: 0.0}]) == [(2, 25.0, 20.0, 30.0)]
    assert over_seeds([]) == []

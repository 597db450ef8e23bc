"""A study's dotted words, over what its config file says."""

import re

import pytest

from videogn.commands.study_words import take_nested, with_nested
from videogn.commands.usage import UsageError

FILE = {
    "base": "i3d_gn.yaml",
    "axes": {
        "norm": {"bn": {"model.norm": "bn"}, "gn": {"model.norm": "gn"}},
        "norm_batch_size": [8, 4],
        "model.depth": [50],
    },
    "settings": {"data.root": "/old", "trainer.max_epochs": 5},
}


def changed(*words: str) -> dict:
    left, given = take_nested(words)
    assert left == []
    return with_nested(FILE, given)


def test_other_words_are_left_in_their_order():
    words = [
        "--config",
        "a.yaml",
        "--settings.data.root",
        "/x",
        "--seeds=[0]",
        "--axes.norm_batch_size=[2]",
        "--dry_run",
    ]
    left, given = take_nested(words)
    assert left == ["--config", "a.yaml", "--seeds=[0]", "--dry_run"]
    assert given == [("settings", "data.root", "/x"), ("axes", "norm_batch_size", [2])]


def test_several_settings_of_one_section_all_stay():
    settings = changed("--settings.data.root", "/new", "--settings.data.num_workers=4", "--settings.trainer.devices=8")
    assert settings["settings"] == {
        "data.root": "/new",
        "trainer.max_epochs": 5,
        "data.num_workers": 4,
        "trainer.devices": 8,
    }


def test_levels_take_more_settings_and_keep_their_own():
    axes = changed("--axes.norm.gn.model.weights", "gn.pth", "--axes.norm.bn.model.weights=bn.pth")["axes"]
    assert axes["norm"] == {
        "bn": {"model.norm": "bn", "model.weights": "bn.pth"},
        "gn": {"model.norm": "gn", "model.weights": "gn.pth"},
    }
    assert axes["norm_batch_size"] == [8, 4]
    assert FILE["axes"]["norm"]["gn"] == {"model.norm": "gn"}


def test_axes_and_levels_may_be_new():
    axes = changed("--axes.norm.plain.model.norm=none", "--axes.model.width", "[32, 64]", "--axes.clips.x={a.b: 1}")[
        "axes"
    ]
    assert list(axes["norm"]) == ["bn", "gn", "plain"]
    assert axes["norm"]["plain"] == {"model.norm": "none"}
    assert axes["model.width"] == [32, 64]
    assert axes["clips"] == {"x": {"a.b": 1}}


def test_an_axis_is_replaced_by_its_whole_name():
    axes = changed("--axes.model.depth=[14]", "--axes.norm_batch_size", "[2, 1]")["axes"]
    assert (axes["model.depth"], axes["norm_batch_size"]) == ([14], [2, 1])
    assert list(axes) == list(FILE["axes"])


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("8", 8),
        ("0.5", 0.5),
        ("null", None),
        ("true", True),
        ("0123", "0123"),
        ("no", "no"),
        ("[gn, bn]", ["gn", "bn"]),
    ],
)
def test_values_are_read_as_the_config_file_would_mean_them(word, value):
    assert changed("--settings.x", word)["settings"]["x"] == value


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--settings.data.root"], "--settings.data.root: expected --settings.data.root VALUE"),
        (["--axes.", "x"], "expected"),
        (["--axes.norm.gn", "8"], "--axes.norm.gn: got 8; expected a list of values, '[...]', or --axes.norm.LABEL"),
        (["--axes.model.norm", "gn"], "--axes.model.norm: got 'gn'; expected a list of values"),
        (["--axes.norm_batch_size.8.model.x", "1"], "norm_batch_size has values and no labels"),
        (["--axes.x", "[gn"], "--axes.x: [gn: its YAML can't be read"),
    ],
)
def test_what_says_nothing_is_refused(words, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        changed(*words)

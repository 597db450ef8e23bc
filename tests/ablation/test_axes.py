"""What varies: names and levels, as a config file gives them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.ablation.axes import flatten, read_axes, slug_of, value_text

CLIPS = {
    "32x2": {"data.num_frames": 32, "data.frame_interval": 2},
    "64x1": {"data.num_frames": 64, "data.frame_interval": 1},
}


def test_an_axis_of_values_sets_the_setting_of_its_name():
    (axis,) = read_axes({"data.scale_size": [[256, 320], 256]})
    assert [(level.label, dict(level.settings)) for level in axis.levels] == [
        ("[256, 320]", {"data.scale_size": [256, 320]}),
        ("256", {"data.scale_size": 256}),
    ]


def test_labels_stand_for_several_settings_each():
    (axis,) = read_axes({"clips": CLIPS})
    assert {level.label: dict(level.settings) for level in axis.levels} == CLIPS
    assert [level.slug for level in axis.levels] == ["32x2", "64x1"]


def test_an_axis_with_labels_can_not_be_called_as_a_section_is():
    with pytest.raises(ValueError, match="give an axis with labels another name"):
        read_axes({"data": {"small": {"data.root": "a"}}})


def test_nested_and_dotted_names_are_the_same():
    nested = {"model": {"norm": ["bn", "gn"], "schedule": {"scaling": ["equal_epochs"]}}}
    dotted = {"model.norm": ["bn", "gn"], "model.schedule.scaling": ["equal_epochs"]}
    assert read_axes(nested) == read_axes(dotted)
    labelled = {"clips": {label: {"data": {k.split(".")[1]: v for k, v in s.items()}} for label, s in CLIPS.items()}}
    assert read_axes(labelled) == read_axes({"clips": CLIPS})


def test_a_later_name_wins_and_keeps_the_place():
    axes = read_axes({"model.norm": ["bn"], "norm_batch_size": [2], "model": {"norm": ["gn"]}})
    assert [axis.name for axis in axes] == ["model.norm", "norm_batch_size"]
    assert [level.label for level in axes[0].levels] == ["gn"]


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({}, "there is none"),
        ({"model.norm": []}, "model.norm: got []"),
        ({"model.norm": ["gn", "bn", "gn"]}, "gn stands there more than once"),
        ({"seed": [1, True, 1]}, "1 stands there more than once"),
        ({"model.norm": "gn"}, "model.norm: got 'gn'; expected a list"),
        ({"clips": {}}, "clips: got {}"),
        ({"clips": {"32x2": 32}}, "clips, 32x2: got 32; expected settings"),
        ({"clips": {"32x2": {"--data.num_frames": 2}}}, "without dashes"),
        ({"--model.norm": ["gn"]}, "without dashes"),
        ({"model..norm": ["gn"]}, "expected a dotted name"),
        ({"clips": CLIPS, "data.num_frames": [8]}, "clips and data.num_frames both set data.num_frames"),
        ({"a": {"x": {"model.norm": "gn"}}, "b": {"y": {"model.norm": "bn"}}}, "a and b both set model.norm"),
    ],
)
def test_what_is_no_axis_is_refused_in_one_line(axes, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        read_axes(axes)
    assert "\n" not in str(caught.value)


_NAMES = st.text("abc", min_size=1, max_size=2)
_TREES = st.recursive(st.integers(), lambda inner: st.dictionaries(_NAMES, inner, min_size=1, max_size=3), max_leaves=9)


@given(st.dictionaries(_NAMES, _TREES, max_size=3))
def test_flattening_keeps_every_leaf_under_its_path(tree):
    def leaves(node, path=()):
        if not isinstance(node, dict):
            yield ".".join(path), node
            return
        for name, inner in node.items():
            yield from leaves(inner, (*path, name))

    assert list(flatten(tree)) == list(leaves(tree))


@pytest.mark.parametrize(
    ("value", "text"),
    [("a b", "a b"), (True, "true"), (None, "null"), (1e-5, "1e-05"), ([256, 320], "[256, 320]"), ("", "")],
)
def test_values_as_words(value, text):
    assert value_text(value) == text


@given(st.text(max_size=20))
def test_slugs_are_names_of_files(text):
    assert re.fullmatch(r"[a-z0-9.+_]+", slug_of(text))
    assert slug_of(text) not in {".", ".."}

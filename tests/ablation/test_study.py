"""The study as a value: what it takes, what is refused, and that its folder gives it back."""

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

import jsonargparse
import pytest

from videogn.ablation.base import base_settings
from videogn.ablation.cells import cells_of
from videogn.ablation.study import Study
from videogn.ablation.study_folder import check_folder, load_study, record_study

BASE = b"model: {norm: gn}\ndata: {batch_size: 8}\ntotal_batch_size: 16\n"
AXES = {"model.norm": ["gn", "bn"], "norm_batch_size": [8, 2]}
RULE = {"from": 3, "until": 1.0, "at_most": 9}


def study(**changes) -> Study:
    return Study(**{"base": "b.yaml", "axes": AXES, **changes})


def claim(asked: Study, out: Path, *, base: bytes = BASE) -> None:
    cells = cells_of(asked, base_settings(base, name="b.yaml"))
    check_folder(asked, cells, base=base, out=out)
    out.mkdir(parents=True, exist_ok=True)
    record_study(asked, base=base, out=out)


def test_help_says_what_each_field_is_for():
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(Study)
    text = " ".join(parser.format_help().split())
    for phrase in ("share one set of batch statistics", "clips per optimiser step", "Further settings of every run"):
        assert phrase in text


def test_settings_may_be_nested_and_later_ones_win():
    nested = study(settings={"data.root": "/old", "trainer.max_epochs": 5, "data": {"root": "/new", "num_workers": 1}})
    assert nested.settings == {"data.root": "/new", "trainer.max_epochs": 5, "data.num_workers": 1}


def test_a_baseline_may_be_any_value():
    axes = {"model.weight_standardization": [True, False], "data.scale_size": [[52, 64], 56], "model.x": ["a", None]}
    asked = study(
        axes=axes, baseline={"model.weight_standardization": False, "data.scale_size": [52, 64], "model.x": None}
    )
    assert list(asked.baseline.values()) == ["false", "[52, 64]", "null"]


def test_the_baseline_is_the_first_level_of_every_axis_unless_said_otherwise():
    assert study().baseline == {"model.norm": "gn", "norm_batch_size": "8"}
    assert study(baseline={"model": {"norm": "bn"}}).baseline == {"model.norm": "bn", "norm_batch_size": "8"}
    assert study(baseline={"norm_batch_size": 2}).baseline == {"model.norm": "gn", "norm_batch_size": "2"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": " "}, "base: got ' '"),
        ({"axes": [1]}, "axes: got [1]"),
        ({"axes": {"model.norm": ["gn", "gn"]}}, "gn stands there more than once"),
        ({"seeds": []}, "seeds: got []"),
        ({"seeds": [0.5]}, "seeds: got 0.5"),
        ({"seeds": [-1]}, "seeds: got -1"),
        ({"seeds": [False]}, "seeds: got False"),
        ({"seeds": [1, 2, 1]}, "seeds: 1 stands there more than once"),
        ({"seeds": "3"}, "seeds: got '3'; expected a list with at least one value, or {from: 3,"),
        ({"seeds": {"from": 3, "at_most": 9}}, "which lacks until; expected {from: 3, until: 1.0, at_most: 20}"),
        ({"seeds": {**RULE, "to": 9}}, "which has to; expected {from: 3"),
        ({"seeds": {**RULE, "from": 1}}, "seeds, from: got 1; expected a whole number of seeds, at least 2"),
        ({"seeds": {**RULE, "at_most": 3}}, "seeds, at_most: got 3; expected more than from (3), up to 100"),
        ({"seeds": {**RULE, "at_most": 101}}, "seeds, at_most: got 101"),
        ({"seeds": {**RULE, "until": 0}}, "seeds, until: got 0; expected points of top-1, more than 0"),
        ({"seeds": {**RULE, "until": True}}, "seeds, until: got True"),
        ({"seeds": {**RULE, "between": "gn"}}, "seeds, between: got 'gn'; expected two settings of the study"),
        ({"seeds": {**RULE, "between": [{}]}}, "seeds, between: got [{}]; expected two settings"),
        ({"seeds": {**RULE, "between": [{}, {"norm": "bn"}]}}, "seeds, between: 'norm' is no axis; the axes are"),
        ({"seeds": {**RULE, "between": [{}, {"model.norm": "ln"}]}}, "seeds, between: model.norm has no level 'ln'"),
        ({"seeds": {**RULE, "between": [{}, {"model.norm": "gn"}]}}, "twice; expected two settings that differ"),
        ({"total_batch_size": True}, "total_batch_size: got True"),
        ({"device_batch_size": 0}, "device_batch_size: got 0"),
        ({"comparison": "both"}, "comparison: got 'both'; expected fixed-total or paper"),
        ({"checkpoint": "first"}, "checkpoint: got 'first'; expected last or best"),
        ({"comparison": "paper"}, "num_devices: comparison paper needs it"),
        ({"num_devices": 8}, "num_devices: got 8 with comparison fixed-total"),
        ({"comparison": "paper", "num_devices": 8, "total_batch_size": 64}, "total_batch_size: got 64 with comparison"),
        ({"axes": {"norm_batch_size": [2, 0]}}, "norm_batch_size is 0"),
        ({"axes": {"norm_batch_size": ["2"]}}, "norm_batch_size is '2'"),
        ({"axes": {"a": {"x": {"norm_batch_size": True}}}}, "axes, a, x: norm_batch_size is True"),
        ({"axes": {"model.norm": ["gn"]}, "settings": {"norm_batch_size": -1}}, "settings: norm_batch_size is -1"),
        ({"settings": {"--data.root": "x"}}, "without dashes"),
        ({"settings": {"data": {"batch_size": 4}}}, "data.batch_size would collide"),
        ({"settings": {"model": "I3D"}}, "model would collide"),
        ({"settings": {"seed_everything": 4}}, "change seeds"),
        ({"settings": {"run_dir": "x"}}, "change --out"),
        ({"settings": {"config": "x"}}, "change base"),
        ({"settings": {"data.protocol": "1x1"}}, "change the study's own protocol"),
        ({"settings": {"trainer.accumulate_grad_batches": 4}}, "change total_batch_size"),
        ({"axes": {"total_batch_size": [4, 8]}}, "change the study's own total_batch_size"),
        ({"axes": {"model.norm_batch_size": [4]}}, "change norm_batch_size"),
        ({"axes": {"a": {"x": {"data.batch_size": 4}}}}, "axes, a, x: data.batch_size would collide"),
        ({"settings": {"model.norm": "bn"}}, "model.norm is set by an axis, too"),
        ({"axes": {"model.renorm.start": [0]}, "settings": {"model.renorm": {}}}, "model.renorm is set by an axis"),
        ({"baseline": {"model.nrom": "gn"}}, "baseline: 'model.nrom' is no axis; the axes are model.norm"),
        ({"baseline": {"model.norm": "ln"}}, "model.norm has no level 'ln'; expected one of gn, bn"),
    ],
)
def test_what_makes_no_study_is_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        study(**changes)
    assert "\n" not in str(caught.value)


def test_names_that_only_begin_like_our_own_are_allowed():
    settings = {"data.batch_size_of_test": 4, "model.norm_eps": 1e-5, "total_batch_size_warning": True}
    assert study(settings=settings).settings == settings


@pytest.mark.parametrize(
    "asked",
    [
        study(),
        study(title="Why?", seeds=[3, 1], settings={"data": {"scale_size": [256, 320], "root": None}}, protocol="1x1"),
        study(comparison="paper", num_devices=2, baseline={"model.norm": "bn"}),
        study(axes={"model": {"norm": ["gn"]}, "clips": {"8x2": {"data": {"num_frames": 8}}, "none": {}}}),
    ],
)
def test_a_study_comes_back_from_its_folder_and_from_json(asked, tmp_path):
    claim(asked, tmp_path)
    assert load_study(tmp_path) == (asked, BASE)
    assert Study(**json.loads(json.dumps(asdict(asked)))) == asked


def test_a_folder_takes_more_levels_and_seeds_and_another_title(tmp_path):
    claim(study(), tmp_path)
    larger = study(axes={**AXES, "model.norm": ["gn", "bn", "ln"]}, seeds=[0, 1], title="Again", baseline={})
    claim(larger, tmp_path)
    assert load_study(tmp_path)[0] == larger


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seeds": [1]}, "lacks [0]"),
        ({"axes": {**AXES, "norm_batch_size": [8]}}, "axis norm_batch_size has 2, which is not asked for now"),
        ({"axes": {**AXES, "model.depth": [50]}}, "its axes are model.norm, norm_batch_size, in this order, not"),
        ({"settings": {"model.depth": 14}}, "its setting model.depth is 'not set', not 14"),
        ({"checkpoint": "best"}, "its checkpoint is 'last', not 'best'"),
        ({"total_batch_size": 16}, "its total_batch_size is None, not 16"),
    ],
)
def test_a_folder_of_another_study_is_refused(changes, message, tmp_path):
    claim(study(), tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        claim(study(**changes), tmp_path)
    assert load_study(tmp_path)[0] == study()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"seeds": {**RULE, "at_most": 10}},
            "a rule by which seeds are added is fixed before the first of them is run",
        ),
        ({"seeds": [0, 1, 2]}, "its seeds are {'from': 3, 'until': 1.0, 'at_most': 9}, not [0, 1, 2]"),
        ({"baseline": {"model.norm": "bn"}}, "its seeds are added until the comparisons with that are decided"),
    ],
)
def test_a_rule_for_seeds_is_fixed(changes, message, tmp_path):
    claim(study(seeds=RULE), tmp_path)
    with pytest.raises(ValueError, match=re.escape(message)):
        claim(study(**{"seeds": RULE, **changes}), tmp_path)
    claim(study(seeds=RULE, axes={**AXES, "norm_batch_size": [8, 2, 4]}), tmp_path)
    named = {**RULE, "between": [{"model.norm": "bn"}, {"model.norm": "gn"}]}
    claim(study(seeds=named), tmp_path / "named")
    claim(study(seeds=named, baseline={"model.norm": "bn"}), tmp_path / "named")


def test_a_label_that_means_something_else_now_is_another_study(tmp_path):
    claim(study(axes={"clips": {"short": {"data.num_frames": 8}}}), tmp_path)
    with pytest.raises(ValueError, match=re.escape("on its axis clips, short stands for {'data.num_frames': 8}, not")):
        claim(study(axes={"clips": {"short": {"data.num_frames": 4}}}), tmp_path)


def test_a_base_config_that_has_changed_is_refused(tmp_path):
    claim(study(), tmp_path)
    with pytest.raises(ValueError, match="its content has changed since"):
        claim(study(), tmp_path, base=BASE + b"precise_bn_batches: 200\n")


@pytest.mark.parametrize("content", ["{", "[]", '{"base": "b.yaml"}'])
def test_a_folder_without_a_readable_study_is_refused(content, tmp_path):
    with pytest.raises(ValueError, match=r"there is no study\.json"):
        load_study(tmp_path)
    (tmp_path / "study.json").write_text(content)
    (tmp_path / "base.yaml").write_bytes(BASE)
    with pytest.raises(ValueError, match="is not a study"):
        load_study(tmp_path)


def test_a_study_of_an_earlier_version_is_read_and_its_bound_stays_as_it_was_stated(tmp_path):
    asked = study(equivalence=1.0)
    (tmp_path / "base.yaml").write_bytes(BASE)
    fields = asdict(asked)
    (tmp_path / "study.json").write_text(json.dumps(fields))
    for other in (None, 2.0):
        with pytest.raises(ValueError, match=r"its equivalence is 1\.0, not"):
            check_folder(replace(asked, equivalence=other), [], base=BASE, out=tmp_path)
    del fields["equivalence"]
    (tmp_path / "study.json").write_text(json.dumps(fields))
    assert load_study(tmp_path)[0] == replace(asked, equivalence=None)
    (tmp_path / "study.json").write_text(json.dumps({**fields, "later": 1}))
    with pytest.raises(ValueError, match="not a study of this version"):
        load_study(tmp_path)


def test_a_study_of_before_there_was_tuning_can_be_read_and_tuned(tmp_path):
    claim(study(), tmp_path)
    stored = json.loads((tmp_path / "study.json").read_text())
    del stored["tune"], stored["tuning_seeds"]
    (tmp_path / "study.json").write_text(json.dumps(stored))
    assert load_study(tmp_path)[0] == study()
    claim(study(tune={"model.base_lr": [0.1, 0.2]}), tmp_path)
    assert load_study(tmp_path)[0].tune == {"model.base_lr": [0.1, 0.2]}

"""The study as a value: what its config files and command lines become, and what is refused."""

import re
from pathlib import Path

import jsonargparse
import pytest

from videogn.ablation import Study, describe_cells

CONFIGS = Path(__file__).parents[2] / "configs" / "ablations"


def parse(*words: str) -> Study:
    parser = jsonargparse.ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Study)
    values = vars(parser.parse_args(list(words)))
    del values["config"]
    return Study(**values)


def study(**changes) -> Study:
    return Study(
        **{"base": "b.yaml", "norms": ["gn", "bn"], "norm_batch_sizes": [4, 2], "total_batch_size": 8, **changes}
    )


@pytest.mark.parametrize(("name", "num_cells"), [("motions_batch_size", 4), ("kinetics_batch_size", 8)])
def test_every_packaged_study_is_parsed_and_has_its_header(name, num_cells):
    path = CONFIGS / f"{name}.yaml"
    assert len(describe_cells(parse("--config", str(path)), Path("out"))) == num_cells
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in ("Purpose:", "Source:", "Command:", "Expected:", "Hardware:", "Hours:"):
        assert any(line.startswith(f"# {word}") for line in header), word


def test_help_says_what_each_field_is_for():
    parser = jsonargparse.ArgumentParser()
    parser.add_class_arguments(Study)
    text = " ".join(parser.format_help().split())
    for phrase in ("share one set of batch statistics", "Clips per optimiser step", "Further settings of every run"):
        assert phrase in text


def test_command_line_settings_win_over_those_of_the_config_file(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text(
        "base: b.yaml\nnorms: [gn]\nnorm_batch_sizes: [2]\ntotal_batch_size: 4\n"
        "settings: {data.root: /old, trainer.max_epochs: 5}\n"
    )
    parsed = parse("--config", str(path), "--settings.data.root", "/new", "--norm_settings.gn.model.weights", "w.pth")
    assert parsed.settings == {"data.root": "/new", "trainer.max_epochs": 5}
    assert parsed.settings_of("gn") == {"data.root": "/new", "trainer.max_epochs": 5, "model.weights": "w.pth"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base": " "}, "base: got ' '"),
        ({"norms": []}, "norms: got []"),
        ({"norms": ["gn", "batchnorm"]}, "norms: got 'batchnorm'; expected some of gn, bn, frozen_bn"),
        ({"norms": ["gn", "gn"]}, "norms: 'gn' stands there more than once"),
        ({"norm_batch_sizes": [2, 2]}, "norm_batch_sizes: 2 stands there more than once"),
        ({"norm_batch_sizes": [3]}, "3 does not divide total_batch_size 8; these do: 1, 2, 4, 8."),
        ({"norm_batch_sizes": [0]}, "norm_batch_sizes: got 0"),
        ({"norm_batch_sizes": [16]}, "16 does not divide"),
        ({"total_batch_size": True}, "total_batch_size: got True"),
        ({"seeds": []}, "seeds: got []"),
        ({"seeds": [0.5]}, "seeds: got 0.5"),
        ({"seeds": [-1]}, "seeds: got -1"),
        ({"seeds": [False]}, "seeds: got False"),
        ({"vary": "both"}, "vary: got 'both'"),
        ({"norms": ["gn", "sync_bn"]}, "norms: got 'sync_bn'"),
        ({"vary": "split", "device_batch_size": 3}, "device_batch_size: 3 does not divide total_batch_size 8"),
        ({"vary": "split", "device_batch_size": 2}, "4 does not divide device_batch_size 2; these do: 1, 2."),
        ({"device_batch_size": 4}, "device_batch_size: got 4 with vary: accumulation"),
        ({"settings": {"--data.root": "x"}}, "without dashes"),
        ({"settings": {"data": {"batch_size": 4}}}, "data.batch_size would collide"),
        ({"settings": {"model": "I3D"}}, "model would collide"),
        ({"settings": {"seed_everything": 4}}, "change seeds"),
        ({"settings": {"trainer.accumulate_grad_batches": 4}}, "change total_batch_size"),
        ({"settings": {"data.protocol": "1x1"}, "protocol": "10x3"}, "name the protocol once"),
        ({"norm_settings": {"ln": {"model.weights": "x"}}}, "norm_settings: got 'ln'"),
        ({"norm_settings": {"bn": {"model.norm": "gn"}}}, "norm_settings, bn: model.norm would collide"),
        ({"norm_settings": {"bn": {"data.protocol": "1x1"}}}, "must be the same for all norms"),
    ],
)
def test_what_makes_no_study_is_refused_in_one_line(changes, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        study(**changes)
    assert "\n" not in str(caught.value)


def test_names_that_only_begin_like_our_own_are_allowed():
    settings = {"data.batch_size_of_test": 4, "model.norm_eps": 1e-5, "total_batch_size_warning": True}
    assert study(settings=settings).settings == settings


def test_the_norms_are_those_of_the_networks_and_all_have_a_style():
    from videogn.ablation import figure, study
    from videogn.models.norm import NORMS, SETTINGS

    assert set(study.NORMS) == set(NORMS) - {"sync_bn"} == set(figure._STYLES)
    assert set(study.BATCH_STATISTICS_NORMS) == {norm for norm in NORMS if "norm_batch_size" in SETTINGS[norm]}

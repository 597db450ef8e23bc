"""Every config file is parsed against the real signatures, builds its model, and has a header that says what it is."""

import inspect
from pathlib import Path

import pytest
import yaml
from jsonargparse import Namespace

from videogn.commands.configs import find_config
from videogn.commands.trainer import VideoCLI
from videogn.data.datamodule import KineticsDataModule
from videogn.training.module import VideoClassifier
from videogn.training.schedule import Schedule, in_steps, scaled_lr

FOLDER = Path(__file__).parents[1] / "configs"
RUNS = sorted(path.name for path in FOLDER.glob("*.yaml"))
HEADER = ("Purpose:", "Source:", "Command:", "Expected:", "Hardware:")


class Parsed(VideoCLI):
    """The command, up to where it would build anything."""

    def before_instantiate_classes(self) -> None:
        pass

    def instantiate_classes(self) -> None:
        pass

    def after_instantiate_classes(self) -> None:
        pass

    def _run_subcommand(self, subcommand: str) -> None:
        pass


@pytest.mark.parametrize("name", RUNS)
def test_config_is_one_that_the_command_takes(name, monkeypatch):
    monkeypatch.setattr("sys.argv", ["videogn"])
    settings = Parsed(["fit", "--config", find_config(name)]).config.fit
    parameters = inspect.signature(VideoClassifier).parameters
    arguments = {
        name: type(parameters[name].default)(**value.as_dict()) if isinstance(value, Namespace) else value
        for name, value in vars(settings.model).items()
    }
    assert isinstance(VideoClassifier(**arguments | {"num_classes": 51}), VideoClassifier)
    data = settings.data.clone()
    assert isinstance(KineticsDataModule(**data.as_dict()), KineticsDataModule)
    assert settings.total_batch_size % settings.data.batch_size == 0
    assert settings.data.num_frames == settings.model.num_frames


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.name)
def test_config_has_a_header(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in HEADER:
        assert any(line.removeprefix("#").strip().startswith(word) for line in header), word


@pytest.mark.parametrize("name", ["i3d_{}.yaml", "i3d_{}_64x1.yaml", "imagenet_r50_{}.yaml"])
def test_gn_and_bn_configs_differ_in_the_norm_alone(name):
    gn, bn = (yaml.safe_load((FOLDER / name.format(norm)).read_text()) for norm in ("gn", "bn"))
    assert gn["model"].pop("norm") == "gn"
    assert bn["model"].pop("norm") == "bn"
    assert gn == bn


def effective(name: str) -> tuple[float, list[int], int]:
    """Learning rate, milestones and length in updates, as the run of a config has them."""
    settings = yaml.safe_load((FOLDER / name).read_text())
    schedule, total = Schedule(**settings["model"]["schedule"]), settings["total_batch_size"]
    *milestones, length = (
        in_steps(amount, schedule, total_batch_size=total, steps_per_epoch=1)
        for amount in (*schedule.milestones, schedule.length)
    )
    return scaled_lr(settings["model"]["base_lr"], total), milestones, length


@pytest.mark.parametrize("norm", ["gn", "bn"])
def test_kinetics_configs_are_the_papers_run(norm):
    assert effective(f"i3d_{norm}.yaml") == (0.01, [150_000, 300_000], 400_000)
    assert effective(f"i3d_{norm}_64x1.yaml") == (0.005, [300_000, 600_000], 800_000)


def test_batch_4_states_the_recipe_of_batch_8():
    large, small = (yaml.safe_load((FOLDER / f"i3d_gn{suffix}.yaml").read_text()) for suffix in ("", "_64x1"))
    assert small["model"]["schedule"] == {**large["model"]["schedule"], "scaling": "equal_epochs"}
    assert small["model"]["base_lr"] == large["model"]["base_lr"]
    assert not {"max_steps", "max_epochs"} & {*large["trainer"], *small["trainer"]}


def test_imagenet_configs_are_the_papers_run():
    settings = yaml.safe_load((FOLDER / "imagenet_r50_gn.yaml").read_text())
    assert scaled_lr(settings["model"]["base_lr"], settings["total_batch_size"]) == pytest.approx(0.1)
    assert settings["model"]["schedule"]["milestones"] == [30, 60, 90]
    assert settings["model"]["norm_weight_decay"] == settings["model"]["weight_decay"] == 1e-4

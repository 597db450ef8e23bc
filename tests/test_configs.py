"""Every config file is parsed against the real signatures, builds its model, and has a header that says what it is."""

from pathlib import Path

import pytest
import yaml

from videogn.cli import find_config
from videogn.data.datamodule import KineticsDataModule
from videogn.trainer_cli import VideoCLI
from videogn.training.module import VideoClassifier
from videogn.training.schedule import Schedule, scaled_lr

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
    model = settings.model.clone()
    schedule = Schedule(**model.pop("schedule").as_dict())
    arguments = {**model.as_dict(), "schedule": schedule, "num_classes": 51}
    assert isinstance(VideoClassifier(**arguments), VideoClassifier)
    data = settings.data.clone()
    assert isinstance(KineticsDataModule(**data.as_dict()), KineticsDataModule)
    assert settings.total_batch_size % settings.data.batch_size == 0
    assert settings.data.num_frames == settings.model.num_frames


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.yaml")), ids=lambda path: path.name)
def test_config_has_a_header(path):
    header = [line for line in path.read_text().splitlines() if line.startswith("#")]
    for word in HEADER:
        assert any(line.removeprefix("#").strip().startswith(word) for line in header), word


@pytest.mark.parametrize("suffix", ["", "_64x1"])
def test_gn_and_bn_configs_differ_in_the_norm_alone(suffix):
    gn, bn = (yaml.safe_load((FOLDER / f"i3d_{norm}{suffix}.yaml").read_text()) for norm in ("gn", "bn"))
    assert gn["model"].pop("norm") == "gn"
    assert bn["model"].pop("norm") == "bn"
    assert gn == bn


def test_kinetics_configs_are_the_papers_run():
    settings = yaml.safe_load((FOLDER / "i3d_gn.yaml").read_text())
    assert scaled_lr(settings["model"]["base_lr"], settings["total_batch_size"]) == 0.01
    assert settings["trainer"]["max_steps"] == 400_000
    assert settings["model"]["schedule"]["milestones"] == [150_000, 300_000]
    small = yaml.safe_load((FOLDER / "i3d_gn_64x1.yaml").read_text())
    assert scaled_lr(small["model"]["base_lr"], small["total_batch_size"]) == 0.005
    assert small["trainer"]["max_steps"] == 800_000

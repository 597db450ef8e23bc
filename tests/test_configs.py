"""Every config file is parsed against the real signatures, builds its model, and has a header that says what it is."""

import inspect
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from jsonargparse import Namespace

from tests.runs import videogn
from videogn.ablation.base import base_settings
from videogn.ablation.cells import Cell, cells_of
from videogn.ablation.choices import with_search
from videogn.ablation.study import Study
from videogn.commands.configs import find_config
from videogn.commands.plan import plan_cells
from videogn.commands.trainer import VideoCLI
from videogn.data.datamodule import KineticsDataModule
from videogn.data.motions.synthesize import synthesize
from videogn.training.module import VideoClassifier
from videogn.training.schedule import Schedule, in_steps, scaled_lr

FOLDER = Path(__file__).parents[1] / "configs"
RUNS = sorted(path.name for path in FOLDER.glob("*.yaml"))
STUDIES = sorted(path.name for path in (FOLDER / "ablations").glob("*.yaml"))
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


def study(name: str) -> Study:
    return Study(**yaml.safe_load((FOLDER / "ablations" / name).read_text()))


def cells(asked: Study) -> list[Cell]:
    return cells_of(asked, base_settings((FOLDER / asked.base).read_bytes(), name=asked.base))


def runs(asked: Study) -> dict[str, Cell]:
    """The cells of the first seed that are run."""
    return {cell.name: cell for cell in cells(asked) if cell.same_as is None and cell.seed == asked.seeds[0]}


@pytest.mark.parametrize("name", STUDIES)
def test_every_study_asks_a_question_and_says_how(name):
    asked = study(name)
    assert asked.title
    assert asked.title.endswith("?")
    assert find_config(asked.base) == str(FOLDER / asked.base)
    assert len(runs(asked)) > 1
    header = [line for line in (FOLDER / "ablations" / name).read_text().splitlines() if line.startswith("#")]
    assert f"ablations/{name}" in " ".join(header)
    assert any(line.startswith("# Hours:") for line in header)


def test_the_study_in_the_readme_is_one():
    (block,) = re.findall(r"```yaml\n(.*?)```", (FOLDER / "README.md").read_text(), flags=re.DOTALL)
    found = cells(Study(**yaml.safe_load(block)))
    assert len(found) == 2 * 5 * 2 * 3
    assert sum(cell.same_as is None for cell in found) == (5 + 1) * 2 * 3  # GN's batches are one computation


def test_motions_and_kinetics_have_the_same_studies():
    kinetics = {name.removeprefix("kinetics_") for name in STUDIES if name.startswith("kinetics_")}
    assert kinetics == {f"{name}.yaml" for name in ("batch_size", "table8", "norms", "groups", "clip_length")}
    assert kinetics <= {name.removeprefix("motions_") for name in STUDIES}


def test_table_8_is_the_papers():
    found = {
        name: (
            cell.effective["data.num_frames"],
            cell.effective["data.frame_interval"],
            cell.batches.device,
            cell.batches.total,
            scaled_lr(cell.effective["model.base_lr"], cell.batches.total),
        )
        for name, cell in runs(study("kinetics_table8.yaml")).items()
    }
    assert found == {
        f"{clips}_clips_a_device-{norm}-seed0": recipe
        for norm in ("bn", "gn", "gn+ws")
        for clips, recipe in {
            "32x2_8": (32, 2, 8, 64, 0.01),
            "32x2_4": (32, 2, 4, 32, 0.005),
            "64x1_4": (64, 1, 4, 32, 0.005),
        }.items()
    }


@pytest.mark.parametrize("name", [name for name in STUDIES if name.startswith("kinetics_")])
def test_every_network_of_a_kinetics_study_can_be_built(name):
    """What needs no videos: norms, groups and clips fit the network (on no device)."""
    for cell in runs(study(name)).values():
        given = {k.removeprefix("model."): v for k, v in cell.settings.items() if k.startswith("model.")}
        frames = cell.effective["data.num_frames"]
        with torch.device("meta"):
            VideoClassifier(**given, num_frames=frames, device_batch_size=cell.batches.device)


@pytest.mark.parametrize("name", STUDIES)
def test_the_readme_names_every_packaged_study(name):
    named = (FOLDER / "README.md").read_text().split("Packaged studies")[1]
    plain = name.removesuffix(".yaml")
    assert any(f"`{each}`" in named for each in (plain, plain.removeprefix("kinetics_").removeprefix("motions_")))


@pytest.fixture(scope="module")
def motions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with a few of the built-in videos, and the bn network that motions_norms.yaml starts from."""
    folder = tmp_path_factory.mktemp("studies")
    synthesize(folder / "videos", num_train=16, num_val=8, num_workers=1)
    words = ["fit", "--config", "motions.yaml", "--model.norm", "bn", "--run_dir", "runs/motions_bn"]
    words += ["--data.root", "videos"]
    words += ["--trainer.max_epochs", "1", "--trainer.check_val_every_n_epoch", "1", "--data.num_workers", "0"]
    videogn(*words, cwd=folder)
    return folder


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*brn is bn in this run")  # of 16 videos, it is
@pytest.mark.parametrize("base", ["motions.yaml", "motions_c3d.yaml"])
def test_the_command_takes_every_point_of_the_studies_of_motions(base, motions, monkeypatch):
    """All studies of a base config in one request, as what they share is then planned once; a search by one value."""
    monkeypatch.chdir(motions)
    planned = dict[str, Cell]()
    for name in STUDIES:
        asked = study(name)
        if asked.base == base:
            asked = replace(asked, settings={**asked.settings, "data.root": "videos"})
            settings = base_settings((FOLDER / base).read_bytes(), name=base)
            every = with_search(asked, settings, cells_of(asked, settings), out=motions / "no study")
            for cell in every:
                if not cell.is_open:
                    planned.setdefault(f"{name} {cell.point} {cell.kind}", cell)
    assert len({name.split()[0] for name in planned}) == sum(study(name).base == base for name in STUDIES)
    planning = plan_cells(
        [replace(cell, name=name) for name, cell in planned.items()], base=FOLDER / base, measure=False
    )
    assert planning.errors == {}
    assert set(planning.plans) == set(planned)
    for name, cell in planned.items():
        plan = planning.plans[name]
        batches = cell.batches
        found = (plan.sizes.norm, plan.sizes.device, plan.sizes.total)
        assert found == (batches.norm, batches.device, batches.total)

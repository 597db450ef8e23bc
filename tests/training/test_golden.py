"""Golden runs: short seeded trainings on "motions" whose losses stand in golden.json at full precision.

Where versions and processor are those of a record, every bit must be the same; elsewhere the losses must be close to
the last record (torch 2.11 and 2.15 differ by 8e-6 at most on one processor). What changes them on purpose records
them anew, and says so in its commit:

    VIDEOGN_RECORD_GOLDEN=1 python -m pytest tests/training/test_golden.py
"""

import json
import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

import lightning
import pytest
import torch

from videogn.data.datamodule import KineticsDataModule
from videogn.data.motions.synthesize import synthesize
from videogn.models.batch_renorm import RenormBounds
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import PreciseBatchNorm
from videogn.training.schedule import Schedule

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).with_name("golden.json")
GROUPS = {"channels_per_group": 4}
RUNS: dict[str, dict] = {
    "gn": {"norm": "gn", **GROUPS},
    "bn": {"norm": "bn"},
    "bn split": {"norm": "bn", "norm_batch_size": 2},
    "sync_bn": {"norm": "sync_bn"},
    "frozen_bn": {"norm": "frozen_bn"},
    "ln": {"norm": "ln"},
    "in": {"norm": "in"},
    "brn": {"norm": "brn", "renorm": RenormBounds(start=0, r_end=2, d_end=2)},
    "none": {"norm": "none"},
    "gn, weight standardisation": {"norm": "gn", **GROUPS, "weight_standardization": True},
    "gn, layout slowfast": {"norm": "gn", **GROUPS, "layout": "slowfast"},
    "gn, c2d": {"norm": "gn", **GROUPS, "temporal_convs": False},
    "bn, non-local blocks": {"norm": "bn", "nonlocal_blocks": True},
    "bn, layout image": {"norm": "bn", "layout": "image", "num_frames": 1},
    "gn, steps": {"norm": "gn", **GROUPS, "schedule": Schedule(unit="epochs", milestones=(0.5, 1.5))},
}


def setting() -> dict[str, str]:
    """What bits depend on besides the code."""
    found = {"torch": torch.__version__, "torchvision": version("torchvision"), "av": version("av")}
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").is_file():
        fields = dict(re.findall(r"^(\S.*?)\s*: (.*)$", Path("/proc/cpuinfo").read_text(), flags=re.MULTILINE))
        cpu = ", ".join(fields.get(name, "?") for name in ("model name", "cpu family", "model", "stepping"))
    return {**found, "cpu": cpu, "capability": torch.backends.cpu.get_cpu_capability()}


class Losses(lightning.Callback):
    """The mean loss of each forward."""

    def __init__(self) -> None:
        self.values: list[float] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        self.values.append(float(outputs["loss"]) * trainer.accumulate_grad_batches / len(batch["labels"]))


@pytest.fixture(scope="module")
def motions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("golden") / "motions"
    synthesize(root, num_train=16, num_val=8, num_workers=1)
    return root


def losses_of(root: Path, run: dict) -> list[float]:
    torch.set_num_threads(1)  # bits depend on it
    lightning.seed_everything(7, verbose=False)
    run = {"num_frames": 8, "crop_size": 48, "schedule": Schedule(shape="cosine"), **run}
    clip = {name: run[name] for name in ("num_frames", "crop_size")}
    data = KineticsDataModule(
        str(root), **clip, scale_size=(52, 64), test_scale_size=56, test_crop_size=56, batch_size=4,
        num_workers=0, seed=7,
    )  # fmt: skip
    model = VideoClassifier(
        **run, depth=14, width=8, base_lr=0.4, num_classes=8, weight_decay=0.05, norm_weight_decay=0.01,
        device_batch_size=4,
    )  # fmt: skip
    seen = Losses()
    trainer = lightning.Trainer(
        max_epochs=2, accumulate_grad_batches=2, accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, num_sanity_val_steps=0,
        callbacks=[seen, PreciseBatchNorm(2)],
    )  # fmt: skip
    trainer.fit(model, datamodule=data)
    return [*seen.values, float(trainer.callback_metrics["val/loss"])]


@pytest.fixture(scope="module", params=RUNS)
def trained(request: pytest.FixtureRequest, motions: Path) -> tuple[str, list[float]]:
    """The name of a run and its losses."""
    return request.param, losses_of(motions, RUNS[request.param])


def test_losses_are_close_to_the_record(trained):
    name, found = trained
    assert len(found) == 9  # 2 epochs x 4 forwards, and the validation
    records = json.loads(GOLDEN.read_text()) if GOLDEN.is_file() else []
    here = setting()
    if os.environ.get("VIDEOGN_RECORD_GOLDEN"):
        own = next((record for record in records if record["setting"] == here), None)
        if own is None:
            own = {"setting": here, "losses": {}}
            records.append(own)
        own["losses"][name] = found
        GOLDEN.write_text(json.dumps(records, indent=1) + "\n")
        return
    for record in records:
        assert found == pytest.approx(record["losses"][name], rel=1e-4), f"recorded with {record['setting']}"


def test_losses_are_those_on_record_to_the_bit(trained):
    name, found = trained
    here = setting()
    exact = [record for record in json.loads(GOLDEN.read_text()) if record["setting"] == here]
    if not exact:
        pytest.skip(f"no record with {here}: nothing says what the bits are to be")
    assert found == exact[0]["losses"][name]


def test_the_records_are_of_all_runs_and_tell_them_apart():
    for record in json.loads(GOLDEN.read_text()):
        assert set(record["losses"]) == set(RUNS), record["setting"]
        same = {("bn", "sync_bn")}  # on one device
        names = list(RUNS)
        for place, one in enumerate(names):
            for other in names[place + 1 :]:
                assert (record["losses"][one] == record["losses"][other]) == ((one, other) in same), (one, other)

"""A card that says what an exported network is: what goes in and out, what it was trained on, how right it is."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

import videogn
from videogn.trained.export import Checked
from videogn.trained.model import TrainedModel
from videogn.trained.names import FormatName
from videogn.training.result import AnyResult, ResultError
from videogn.training.result_of_labels import read_any_result

_USE: dict[FormatName, str] = {
    "torch_export": """\
import torch

program = torch.export.load("{file}").module()
probabilities = program(views)  # uint8 {shape} -> float32 [N, {num_classes}]""",
    "onnx": """\
import onnxruntime

session = onnxruntime.InferenceSession("{file}")
(probabilities,) = session.run(None, {{"views": views}})  # uint8 {shape} -> float32 [N, {num_classes}]""",
}

# By which a test is of a checkpoint: a result of another seed, length, or of statistics estimated anew is of another.
_OF_A_TRAINING = ("steps", "train_fingerprint", "seed", "norm_batch_size", "total_batch_size", "precise_bn")


def about(model: TrainedModel, run_dir: Path) -> dict[str, Any]:
    """Return what a program should know of itself, in plain types.

    Args:
        run_dir: The run's folder: its result.json has the accuracy, where it is of this checkpoint.
    """
    data, run = model.data, model.module.training_run
    found = _result(run_dir, run, norm=model.module.architecture["norm"])
    return {
        "classes": model.classes,
        "input": ["N", data.num_frames, data.test_crop_size, data.test_crop_size, 3],
        "sampling": {
            name: getattr(data, name)
            for name in ("num_frames", "frame_interval", "target_fps", "test_scale_size", "test_crop_size")
        },
        "architecture": model.module.architecture,
        "steps": run.get("steps"),
        "seed": run.get("seed"),
        "train_fingerprint": run.get("train_fingerprint"),
        "started_from": run.get("weights"),
        "result": None if found is None else {**asdict(found), "summary": found.summary()},
        "versions": {"videogn": videogn.__version__, "torch": torch.__version__},
    }


def _result(run_dir: Path, run: dict[str, Any], *, norm: str) -> AnyResult | None:
    """Return the run's test, where it is of this checkpoint."""
    try:
        found = read_any_result(run_dir / "result.json")
    except ResultError:
        return None
    same = all(getattr(found, name) == run.get(name) for name in _OF_A_TRAINING)
    return found if same and found.norm == norm else None


def card(known: dict[str, Any], checked: Checked, *, file: str, name: FormatName) -> str:
    """Return the card, in Markdown."""
    classes, shape = known["classes"], f"[{', '.join(map(str, known['input']))}]"
    network, sampling = dict(known["architecture"]), known["sampling"]
    accuracy = "not tested (`videogn test` on the run, then export again)"
    if known["result"] is not None:
        result = known["result"]
        accuracy = f"{result['summary']}; fingerprint of the test videos {result['dataset_fingerprint']}"
    rate = f" of {sampling['target_fps']:g} frames a second" if sampling["target_fps"] else ""
    start, each = known["started_from"], ", of each class by itself" if network.get("multi_label") else ""
    rows = {
        "network": ", ".join([network.pop("network"), *(f"{key} {value}" for key, value in network.items() if value)]),
        "input": f"uint8 {shape}, RGB, any N: normalisation is inside",
        "frames": f"{sampling['num_frames']}, every {sampling['frame_interval']}{rate}; short side scaled to "
        f"{sampling['test_scale_size']} px, cropped to {sampling['test_crop_size']}",
        "output": f"float32 [N, {len(classes)}], probabilities{each}; a video's are the mean of its views'",
        "trained": f"{known['steps']:,} updates, seed {known['seed']}, fingerprint of the videos "
        f"{known['train_fingerprint']}, from {start['file'] if start else 'scratch'}",
        "accuracy": f"of the run, by videogn: {accuracy}",
        "checked": f"{checked.num_views} real views: probabilities differ by at most {checked.largest_difference:.1g}",
        "time": "; ".join(
            f"{size} view{'' if size == 1 else 's'}: {program:.1f} ms (torch: {own:.1f} ms)"
            for size, (own, program) in checked.milliseconds.items()
        ),
        "versions": ", ".join(f"{key} {value}" for key, value in known["versions"].items()),
    }
    table = "\n".join(f"| {key} | {str(value).replace('|', chr(92) + '|')} |" for key, value in rows.items())
    use = _USE[name].format(file=file, shape=shape, num_classes=len(classes))
    names = "\n".join(f"{index}. {label}" for index, label in enumerate(classes))
    return f"# {file}\n\n| | |\n| --- | --- |\n{table}\n\n```python\n{use}\n```\n\nClasses, by index:\n\n{names}\n"

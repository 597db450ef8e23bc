"""videogn fits: which device batch fits into a GPU's memory, and how to use it without changing the experiment."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from itertools import product
from typing import Any

from videogn.commands.usage import CommandParser, UsageError, check_json, save_json, table_console
from videogn.norms import NORMS, find_norm

DESCRIPTION = """\
Says which device batch of `videogn fit` fits into a GPU's memory, for one norm or several. Nothing runs: the tensors of
a training step are counted without their values, on any machine, in seconds. All settings of `videogn fit` are taken;
no videos are needed (the last layer is counted for 400 classes).

A larger device batch is faster, but for bn it is another experiment: its normalisation batch grows. So the table has
two device batches: the largest one that fits, and the largest one that keeps the experiment, with the same total batch
(by accumulation) and the same normalisation batch (by --model.norm_batch_size). The line to type for it follows.

With --checkpointing it also says what fits where activations are computed again in the backward pass, not kept
(--model.activation_checkpointing): in the stem and res2, which have most of them, and everywhere. The numbers of the
training stay the same. A compiled network (--model.compile) keeps less than is counted here, which is eager mode.

Tensors are counted. Of each memory 1 GiB is left to CUDA and cuDNN, and 5 % to gaps between tensors; what these really
take depends on the card.

Examples:
  videogn fits --config i3d_gn.yaml
  videogn fits --config i3d_gn.yaml --checkpointing
  videogn fits --config i3d_gn.yaml --norms gn bn --frames 32 64 --memory 12GB 24GB 80GB --json fits.json
  videogn fits --config i3d_bn.yaml --data.batch_size 4 --trainer.precision 32-true --memory 24GB
"""
CARDS = ("8GB", "12GB", "16GB", "24GB", "40GB", "80GB")
UNITS = {"GB": 10**9, "GiB": 2**30, "MB": 10**6, "MiB": 2**20}
ACCUMULATE = "--trainer.accumulate_grad_batches"
NETWORK = (
    *("network", "weight_standardization", "layout", "depth", "width"),
    *("temporal_convs", "nonlocal_blocks", "dropout"),
)
# Where most activations are, and everywhere.
CHECKPOINTING = (("stem", "res2"), ("stem", "res2", "pool2", "res3", "res4", "res5"))


def run(words: Sequence[str]) -> int:
    """Run `fits ...`; return the exit status.

    Raises:
        UsageError: A setting that is not possible.
        RunError: The file that --json names can't be written.
    """
    parser = CommandParser(
        prog="videogn fits",
        usage="videogn fits --config FILE [--SETTING VALUE ...] [--norms NORM ...] [--frames T ...] "
        "[--memory SIZE ...] [--checkpointing] [--json FILE]",
        description=DESCRIPTION,
        allow_abbrev=False,
    )
    parser.add_argument("--norms", nargs="+", metavar="NORM", help=f"of {', '.join(NORMS)} (default: the config's)")
    parser.add_argument("--frames", nargs="+", type=int, metavar="T", help="frames of a clip (default: the config's)")
    parser.add_argument(
        "--memory",
        nargs="+",
        metavar="SIZE",
        help=f"such as 24GB or 23.5GiB (default: this machine's GPU; without one, {' '.join(CARDS)})",
    )
    parser.add_argument("--checkpointing", action="store_true", help="also with activations computed again")
    parser.add_argument("--json", metavar="FILE", help="also write the figures to this file")
    given, settings = parser.parse_known_args(list(words[1:]))
    check_json(given.json)
    sizes = {size: _bytes(size) for size in given.memory or ()}
    for norm in given.norms or ():
        if norm not in NORMS:
            raise UsageError(f"--norms {norm}: expected some of {', '.join(NORMS)}")
    rows = _rows(settings, norms=given.norms, frames=given.frames, sizes=sizes, also=given.checkpointing)
    _print(rows)
    if given.json is not None:
        save_json(given.json, rows)
        print(f"written: {given.json}")
    return 0


def _bytes(size: str) -> int:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(GB|GiB|MB|MiB)", size)
    if found is None or not float(found[1]):
        raise UsageError(f"--memory {size}: expected a number and one of {', '.join(UNITS)}, such as 24GB")
    return int(float(found[1]) * UNITS[found[2]])


def _rows(
    words: list[str], *, norms: list[str] | None, frames: list[int] | None, sizes: dict[str, int], also: bool
) -> list[dict[str, Any]]:
    """Return a row for each norm, number of frames and choice of parts that are computed again."""
    import torch

    from videogn.commands.configs import resolve_configs
    from videogn.commands.run_folder import with_run_config
    from videogn.commands.trainer_arguments import Settings
    from videogn.tools.fits import fits, memory_of
    from videogn.training.device import dtype_of

    settings = Settings(resolve_configs(with_run_config(["fit", *words]))).config.fit
    if not sizes and torch.cuda.is_available():
        card = torch.cuda.get_device_properties(0)
        sizes = {card.name: card.total_memory}
    rows = []
    parts = tuple(settings.model.activation_checkpointing)
    if also and settings.model.compile:
        raise UsageError("--checkpointing is for eager mode: leave --model.compile out")
    choices = dict.fromkeys([parts, *(CHECKPOINTING if also else ())])
    for norm, num_frames, recomputed in product(
        norms or [settings.model.norm], frames or [settings.data.num_frames], choices
    ):
        try:
            batches = _batches(settings, norm)
            memory = memory_of(
                norm,
                num_frames=num_frames,
                crop_size=settings.data.crop_size,
                autocast=dtype_of(settings.trainer.precision),
                batches=batches,
                ema=bool(settings.model.ema),
                activation_checkpointing=recomputed,
                **{name: settings.model[name] for name in (*NETWORK, "num_groups", "channels_per_group")},
            )
        except ValueError as error:
            raise UsageError(f"{norm}, {num_frames} frames: {error}") from error
        found = fits(memory, sizes or {size: _bytes(size) for size in CARDS}, norm=norm, batches=batches)
        more = {} if recomputed == parts else {"model.activation_checkpointing": f"[{','.join(recomputed)}]"}
        line = partial(_command, words, settings, batches, norm=norm, num_frames=num_frames, more=more)
        rows.append(
            {
                "norm": norm,
                "num_frames": num_frames,
                "activation_checkpointing": recomputed,
                "crop_size": settings.data.crop_size,
                "precision": str(settings.trainer.precision or "32-true"),
                "batch_sizes": {**asdict(batches), "total": batches.total},
                "memory": {**asdict(memory), "at_device_batch": memory.at(batches.device)},
                "fits": [{**asdict(fit), "command": fit.same and line(fit.same)} for fit in found],
            }
        )
    return rows


def _batches(settings: Any, norm: str) -> Any:
    """Return the batch sizes that the settings mean for a norm, on the devices that they name (auto: one)."""
    from videogn.training.batch_sizes import batch_sizes

    devices = str(settings.trainer.devices).strip("[]")
    num_devices = int(devices) if devices.isdigit() else devices.count(",") + 1  # "0,1" names two; "auto": one
    return batch_sizes(
        norm,
        device=settings.data.batch_size,
        num_devices=max(1, num_devices) * settings.trainer.num_nodes,
        norm_batch_size=settings.model.norm_batch_size if "norm_batch_size" in find_norm(norm).settings else None,
        total=settings.total_batch_size,
        accumulate=settings.trainer.accumulate_grad_batches,
    )


def _command(
    words: list[str],
    settings: Any,
    batches: Any,
    device_batch: int,
    *,
    norm: str,
    num_frames: int,
    more: dict[str, Any],
) -> str:
    """Return the line that trains the same experiment with another device batch."""
    more = {"data.batch_size": device_batch, "total_batch_size": batches.total, **more}
    if "norm_batch_size" in find_norm(norm).settings:
        more["model.norm_batch_size"] = batches.norm
    if norm != settings.model.norm:
        more["model.norm"] = norm
    if num_frames != settings.data.num_frames:
        more["data.num_frames"] = num_frames
    words = [*words]
    for place in [place for place, word in enumerate(words) if word == ACCUMULATE]:
        words[place : place + 2] = []  # the total batch says it
    words = [word for word in words if not word.startswith(f"{ACCUMULATE}=")]
    flags = [word for name, value in more.items() for word in (f"--{name}", str(value))]
    return shlex.join(["videogn", "fit", *words, *flags])


def _print(rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    first = rows[0]
    print(
        f"A training step of {first['crop_size']} px clips in {first['precision']}. Under each memory: the largest "
        f"device batch that fits / the largest one that keeps the experiment."
    )
    table = Table("norm", "frames", "again", "fixed", "a clip", "of it kept", "device batch", "takes")
    for fit in first["fits"]:
        table.add_column(fit["memory"])
    for row in rows:
        memory, batches = row["memory"], row["batch_sizes"]
        table.add_row(
            row["norm"],
            str(row["num_frames"]),
            ", ".join(row["activation_checkpointing"]) if len(row["activation_checkpointing"]) < 6 else "all",
            *(f"{memory[name] / 2**20:,.0f} MiB" for name in ("fixed", "clip", "saved_clip")),
            str(batches["device"]),
            f"{memory['at_device_batch'] / 2**30:.2f} GiB",
            *(f"{fit['most']} / {fit['same'] or 'none'}" for fit in row["fits"]),
        )
    table_console().print(table)
    print("The same experiment, with the largest device batch:")
    for row in rows:
        batches = row["batch_sizes"]
        kept = f"normalisation batch {batches['norm']}" if batches["norm"] else "no batch statistics"
        again = row["activation_checkpointing"]
        parts = f", {', '.join(again)} computed again" if again else ""
        print(f"{row['norm']}, {row['num_frames']} frames (total batch {batches['total']}, {kept}{parts})")
        for line, memories in _by_line(row["fits"]).items():
            print(f"  {', '.join(memories)}: {line}")


def _by_line(fits: list[dict[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for fit in fits:
        none = "no device batch that fits keeps it" if fit["most"] else "not even one clip fits"
        found.setdefault(fit["command"] or none, []).append(fit["memory"])
    return found

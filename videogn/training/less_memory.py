"""What to change where memory does not suffice: which of the three batch sizes, such that the experiment stays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

from videogn.models.i3d import PartName
from videogn.norms import divisors, find_norm
from videogn.training.batch_sizes import BatchSizes


def smaller(sizes: BatchSizes, *, norm: str, least: int = 1) -> BatchSizes | None:
    """Return the same experiment in smaller forwards: the next smaller device batch; None where there is none.

    The total batch stays by more accumulated forwards, the normalisation batch where it divides the device batch.
    """
    together = sizes.norm or 1
    if find_norm(norm).over_devices:
        return None
    fitting = [size for size in divisors(sizes.device)[:-1] if size % together == 0 and size >= least]
    if not fitting:
        return None
    device = fitting[-1]
    return BatchSizes(sizes.norm, device, sizes.num_devices, sizes.accumulate * sizes.device // device)


def smaller_forwards(sizes: BatchSizes, *, norm: str, total_is_given: bool, least: int = 1) -> str:
    """Return a sentence on the device batch, with the flags that lower it.

    Args:
        total_is_given: Whether the run has a total_batch_size, which it keeps then.
        least: The smallest device batch that the run can do with.
    """
    found = smaller(sizes, norm=norm, least=least)
    if found is not None:
        flags = [f"--data.batch_size {found.device}"]
        if found.norm is not None:
            flags.append(f"--model.norm_batch_size {found.norm}")
        if not total_is_given:  # one of the two may be given, and not both
            flags.append(
                f"--total_batch_size {found.total}"
                if sizes.accumulate == 1
                else f"--trainer.accumulate_grad_batches {found.accumulate}"
            )
        alone = (
            f"{norm} looks at each clip by itself" if found.norm is None else f"the normalisation batch {found.norm}"
        )
        return (
            f"{' '.join(flags)} is the same experiment: the total batch stays {found.total} clips, by "
            f"{found.accumulate} forwards an update, and {alone}"
        )
    if sizes.device <= least:
        return f"the device batch is {sizes.device}, and can't be smaller"
    if find_norm(norm).over_devices:
        return (
            f"the normalisation batch is the device batch x devices, {sizes.norm} clips: another device batch is the "
            f"same experiment on as many more devices alone"
        )
    return (
        f"the normalisation batch is {sizes.norm} clips, all of a forward: with a smaller device batch it would be "
        f"another experiment"
    )


def recomputing(parts: Sequence[str], *, activation_memory_budget: float | None) -> str | None:
    """Return what to say so that activations are computed again; None where all are already.

    Args:
        activation_memory_budget: The share that is kept where the network is compiled; None where it is not.
    """
    more = "computes more of the activations again: the same experiment in less memory and more time"
    if activation_memory_budget is not None:
        lower = round(activation_memory_budget / 2, 2)
        return f"--model.activation_memory_budget {lower} {more}" if lower else None
    for wanted in (("stem", "res2"), get_args(PartName)):
        if set(wanted) - set(parts):
            together = [part for part in get_args(PartName) if part in {*wanted, *parts}]
            return f"--model.activation_checkpointing [{','.join(together)}] {more}"
    return None

"""Where numbers stop being finite: the first parameter, the first layer, the clips.

Shapes: N clips; the first dimension of a layer's output is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn

from videogn.models.i3d import PartName


def first_not_finite(model: nn.Module) -> str | None:
    """Return the name of the first parameter or running statistic that is not finite; None where all are."""
    tensors = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    if torch.stack([value.isfinite().all() for value in tensors.values()]).all():
        return None
    return _with_part(next(name for name, value in tensors.items() if not value.isfinite().all()))


@dataclass(frozen=True)
class Place:
    """Where a forward stops being finite.

    Attributes:
        what: Its input, or the output of a layer, by name.
        clips: Which of the N, in rising order.
        num_clips: N.
    """

    what: str
    clips: tuple[int, ...]
    num_clips: int


def first_layer_not_finite(model: nn.Module, forward: Callable[[], Tensor]) -> Place | None:
    """Return where a forward stops being finite, in the order in which it is computed; None where it does not.

    Args:
        model: The network.
        forward: Computes with it; no gradient is taken.
    """
    found: list[Place] = []

    def look(what: str, value: Any) -> None:
        if not found and isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
            bad = ~value.isfinite().flatten(1).all(dim=1)
            found.append(Place(what, tuple(bad.nonzero().flatten().tolist()), len(bad)))

    def look_after(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, inputs, output: look(f"the output of {_with_part(name)}", output)

    first = next(iter(model.children()), model)
    while len(parts := list(first.children())):
        first = parts[0]
    hooks = [first.register_forward_pre_hook(lambda _, inputs: look("the network's input", inputs[0]))]
    hooks += [module.register_forward_hook(look_after(name)) for name, module in model.named_modules() if name]
    try:
        with torch.no_grad():
            forward()
    finally:
        for hook in hooks:
            hook.remove()
    return found[0] if found else None


def _with_part(name: str) -> str:
    """Return a module's or parameter's name with the part of the network that it is in, such as res3."""
    words = name.split(".")
    parts = (*get_args(PartName), "head")
    if words[0] == "blocks" and len(words) > 1 and int(words[1]) < len(parts):
        return f"{name} (in {parts[int(words[1])]})"
    return name

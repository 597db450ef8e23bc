"""What a layer of a network says of clips: its output, averaged over time and space.

Shapes: N clips, C channels, T frames, H, W.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from videogn.models.network import VideoNetwork


@contextmanager
def listening(model: VideoNetwork, layer: str | None) -> Iterator[list[Tensor]]:
    """Yield a list to which each forward of the network adds what a layer said, float32 [N, C].

    Args:
        layer: Whose output, by the name that `model.named_modules()` has; None: the input of the last layer.

    Raises:
        ValueError: There is no such layer; says which there are. In a forward: its output is no one tensor.
    """
    heard: list[Tensor] = []
    if layer is None:
        proj = model.blocks[-1].get_submodule("proj")
        last = isinstance(proj, nn.Linear)  # of i3d; of c3d it is a convolution
        handle = proj.register_forward_pre_hook(lambda _, inputs: heard.append(_averaged(inputs[0], last=last)))
    else:
        found = find_layer(model, layer)

        def hear(_: nn.Module, inputs: Any, output: Any) -> None:
            if heard or not isinstance(output, Tensor) or output.ndim < 2:
                raise ValueError(f"layer {layer} gives no one tensor [N, C, ...] in a forward: name another")
            # Averaged at once: what comes next may write into it (ReLU does).
            heard.append(_averaged(output, last=isinstance(found, nn.Linear)))

        handle = found.register_forward_hook(hear)
    try:
        yield heard
    finally:
        handle.remove()


def _averaged(output: Tensor, *, last: bool) -> Tensor:
    """Return float32 [N, C] of [N, C, ...], or of [N, ..., C] where channels are last."""
    places = tuple(range(1, output.ndim - 1) if last else range(2, output.ndim))
    return output.float().mean(dim=places) if places else output.float().clone()


def find_layer(model: nn.Module, layer: str) -> nn.Module:
    """Return the module of a name.

    Raises:
        ValueError: There is none; says which are like it, or where none is, all.
    """
    lists = (nn.ModuleList, nn.ModuleDict)  # they compute nothing
    layers = {name: module for name, module in model.named_modules() if name and not isinstance(module, lists)}
    if layer in layers:
        return layers[layer]
    raise ValueError(f"{layer} is no layer of this network{meant(layer, layers, kind='layers')}")


def meant(name: str, names: Collection[str], *, kind: str) -> str:
    """Return the end of a sentence that says which names are like a wrong one, or where none is, all."""
    if near := difflib.get_close_matches(name, names):
        return f"; did you mean {' or '.join(near)}?"
    return f". Its {kind} are {', '.join(names)}"

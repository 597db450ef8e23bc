"""Where numbers stop being finite: the first parameter, the first layer, the clips.

Shapes: N clips; the first dimension of a layer's output is theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from videogn.models.network import VideoNetwork
from videogn.norms import find_norm
from videogn.training.log_points import Moment

if TYPE_CHECKING:
    from videogn.training.module import VideoClassifier


def first_not_finite(model: nn.Module) -> str | None:
    """Return the name of the first parameter or running statistic that is not finite; None where all are."""
    tensors = {name: value for name, value in model.state_dict().items() if value.is_floating_point()}
    if torch.stack([value.isfinite().all() for value in tensors.values()]).all():
        return None
    return _with_part(model, next(name for name, value in tensors.items() if not value.isfinite().all()))


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
    """Return where a forward stops being finite, in the order in which it is computed; None where it does not."""
    found: list[Place] = []

    def look(what: str, value: Any) -> None:
        if not found and isinstance(value, Tensor) and value.is_floating_point() and not value.isfinite().all():
            bad = ~value.isfinite().flatten(1).all(dim=1)
            found.append(Place(what, tuple(bad.nonzero().flatten().tolist()), len(bad)))

    def look_after(name: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda _, inputs, output: look(f"the output of {_with_part(model, name)}", output)

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


def origin_of(module: VideoClassifier, moment: Moment, indices: list[int]) -> str:
    """Return where in the network the numbers of a forward stop being finite, as far as that can be known now."""
    try:
        return _origin(module, moment, indices)
    except (OSError, ValueError, RuntimeError) as problem:  # memory, too
        return f"where it begins could not be looked for ({problem})"


def _origin(module: VideoClassifier, moment: Moment, indices: list[int]) -> str:
    """Return where in the network numbers of a forward stop being finite, as far as that can be known now."""
    names: list[str] = []
    if module.data is not None:
        records = module.data.catalog.records("train")
        names = [records.of_line(index).path or records.of_line(index).name for index in indices]
        print(f"these are: {', '.join(names)}", flush=True)
    is_then = moment.num_updates == module.global_step  # whether the network is still the one of that forward
    broken = first_not_finite(module.model)
    if broken is not None and is_then:
        return f"the weights were not finite before it, first {broken}"
    if broken is not None:
        return (
            f"after {module.global_step} updates the weights are not finite either, first {broken}; the same "
            f"command with --trainer.log_every_n_steps 1 stops before the update, and names the layer"
        )
    if module.data is None or (find_norm(module.architecture["norm"]).over_devices and module.trainer.world_size > 1):
        return "the weights are finite"
    batch = module.data.train_clips(moment.epoch, indices, clip=moment.batch_idx % module.data.clips_per_video)
    batch = module.trainer.strategy.batch_to_device(batch)
    module.seed_forward(moment.num_updates, moment.batch_idx)
    if module.mixing is not None:
        batch, _ = module.mixing(batch)
    module.compiled = None
    with module.trainer.precision_plugin.forward_context():
        place = first_layer_not_finite(module.model, lambda: module.training_logits(batch))
    when = "" if is_then else f", computed again after {module.global_step} updates"
    if place is None:
        return f"weights and the network's output are finite{when}"
    of = f"{len(place.clips)} of {place.num_clips} clips, first {names[place.clips[0]]}"
    return f"the weights are finite, and the first that is not{when} is {place.what}, for {of}"


def _with_part(model: nn.Module, name: str) -> str:
    """Return a module's or parameter's name with the part of the network that it is in, such as res3."""
    words = name.split(".")
    parts = model.part_names if isinstance(model, VideoNetwork) else ()
    if words[0] == "blocks" and len(words) > 1 and int(words[1]) < len(parts):
        return f"{name} (in {parts[int(words[1])]})"
    return name

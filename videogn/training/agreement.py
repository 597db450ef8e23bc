"""What all devices do after the same update, though one alone wishes it, or each at another moment."""

from __future__ import annotations

from collections import deque
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor

from videogn.models.batch_norm import devices_share

# A GPU answers so many updates later: to read the newest answer would be to wait for all that it has to do.
LAG = 2


Item = TypeVar("Item")


def from_all_devices(own: list[Item]) -> list[Item]:
    """Return the items of all devices, those of the first one first; all devices call this."""
    if not devices_share():
        return own
    parts: list[Any] = [None] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(parts, own)
    return [item for part in parts for item in part]


class Agreement:
    """Wishes that any device may have and all of them follow."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.lag = LAG if device.type == "cuda" else 0
        self._asked: deque[tuple[Tensor, torch.cuda.Event | None]] = deque()

    def of_all(self, *wishes: bool) -> tuple[bool, ...]:
        """Return which wishes any device has, or had `lag` calls ago; all devices call this after each update."""
        if not devices_share():
            return wishes
        shared = torch.tensor(wishes, dtype=torch.float32, device=self.device)
        torch.distributed.all_reduce(shared)
        event = None
        if shared.is_cuda:
            shared = torch.empty(len(wishes), pin_memory=True).copy_(shared, non_blocking=True)
            event = torch.cuda.Event()
            event.record()
        self._asked.append((shared, event))
        if len(self._asked) <= self.lag:
            return (False,) * len(wishes)
        found, event = self._asked.popleft()
        if event is not None:
            event.synchronize()
        return tuple(bool(wish) for wish in found.tolist())

    def forget(self) -> None:
        """Forget the wishes that were not answered yet, on all devices: they have been fulfilled."""
        self._asked.clear()

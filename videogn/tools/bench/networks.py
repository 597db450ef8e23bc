"""How fast networks compute: a forward, and a whole training step, beside other libraries' networks.

Shapes: N clips, C = 3 channels, T frames, H, W.
"""

from __future__ import annotations

import gc
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import torch
import torch._dynamo
import torch.nn.functional as F
from torch import Tensor, nn

from videogn.models.batch_norm import batch_norms, update_running_statistics
from videogn.models.build import build_network
from videogn.models.compiled import compiled
from videogn.models.group_norm import GroupNorm
from videogn.models.input import normalize
from videogn.tools.bench.timing import Times, interleaved

PLAIN_GN = "nn.GroupNorm"
PYTORCHVIDEO = "pytorchvideo, bn"
NUM_CLASSES = 400


@dataclass(frozen=True)
class Mode:
    """How a network is run.

    Attributes:
        clips: N.
        autocast: Dtype of mixed precision; None for float32.
        channels_last: Whether clips and weights lie in channels_last_3d memory, else contiguous.
    """

    clips: int
    autocast: torch.dtype | None
    channels_last: bool
    compiled: bool

    def __str__(self) -> str:
        tf32 = torch.cuda.is_available() and torch.backends.cudnn.allow_tf32
        precision = (
            ("TF32" if tf32 else "float32") if self.autocast is None else str(self.autocast).removeprefix("torch.")
        )
        memory = "channels last" if self.channels_last else "contiguous"
        return f"{self.clips} clips, {precision}, {memory}, {'compiled' if self.compiled else 'eager'}"


@dataclass(frozen=True)
class Row:
    """One network in one mode. Times are medians, in seconds; None where it could not be run.

    Attributes:
        name: A norm, or whose network it is.
        forward_seconds: Of a forward without gradients.
        step_seconds: Of forward, backward and update.
        ratio: Its step's time by bn's, in the same rounds.
        peak_bytes: Most memory of a GPU in a step; None on a CPU.
        output_error: Of its output from that of the same weights in our network, in float32, contiguous, eager: root
            mean square, relative.
    """

    name: str
    mode: Mode
    forward_seconds: float | None = None
    step_seconds: float | None = None
    clips_per_second: float | None = None
    ratio: float | None = None
    peak_bytes: int | None = None
    output_error: float | None = None
    error: str | None = None


def measure(
    norms: Sequence[str],
    modes: Sequence[Mode],
    *,
    device: torch.device,
    num_frames: int,
    crop_size: int,
    width: int,
    seconds: float,
    network: str = "i3d",
    layout: str | None = None,
    depth: int | None = None,
    alone: bool = False,
    on_mode: Callable[[Mode], None] = lambda _: None,
) -> list[Row]:
    """Return a row for each network in each mode; all networks of a mode take turns.

    Beside the norms run two others: this network with nn.GroupNorm, as autocast treats it, and PyTorchVideo's own.

    Args:
        num_frames: T.
        crop_size: H = W in px.
        network: "i3d" or "c3d", which PyTorchVideo has not.
        layout: Of i3d: "nonlocal" or "slowfast", which is PyTorchVideo's.
        depth: Of i3d.
    """
    settings = {"network": network, "num_frames": num_frames, "crop_size": crop_size, "width": width}
    settings |= {"layout": layout, "depth": depth} if network == "i3d" else {}
    others = () if alone else (PLAIN_GN, PYTORCHVIDEO) if network == "i3d" else (PLAIN_GN,)
    rows: list[Row] = []
    for mode in modes:
        on_mode(mode)
        _forget_compiled()
        ways: dict[str, _Way] = {}
        failed: dict[str, str] = {}
        for name in (*dict.fromkeys(norms), *others):
            try:
                ways[name] = _Way(name, mode, settings, device=device)
            except (RuntimeError, ValueError) as error:  # a mode that is not possible is a finding
                failed[name] = f"{type(error).__name__}: {error}".splitlines()[0]
        share = seconds / len(modes)
        in_turn = partial(interleaved, work=repeat(None), all_of_them=True)
        forwards = in_turn({name: way.forward for name, way in ways.items()}, seconds=0.25 * share)
        steps = in_turn({name: way.step for name, way in ways.items()}, seconds=0.75 * share)
        rows += [_row(name, mode, way, forwards[name], steps[name], steps.get("bn")) for name, way in ways.items()]
        rows += [Row(name, mode, error=error) for name, error in failed.items()]
    return rows


def _forget_compiled() -> None:
    """Free what the last mode left, and let each network be compiled: torch.compile gives up after a few of a class."""
    gc.collect()
    torch._dynamo.reset()
    torch._dynamo.config.recompile_limit = 64
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class _Way:
    """A network that is ready to run, warm."""

    def __init__(self, name: str, mode: Mode, settings: dict[str, Any], *, device: torch.device) -> None:
        torch.manual_seed(0)
        self.mode, self.device = mode, device
        others = torch.cuda.memory_allocated(device) if device.type == "cuda" else 0
        frames, px = settings["num_frames"], settings["crop_size"]
        self.views = torch.randint(0, 256, (mode.clips, 1, frames, px, px, 3), dtype=torch.uint8, device=device)
        self.labels = torch.arange(mode.clips, device=device) % NUM_CLASSES
        network = _network("bn" if name == PYTORCHVIDEO else name, settings).to(device)
        exact = self._exact(network)
        if name == PYTORCHVIDEO:  # our weights in their network
            weights, network = network.state_dict(), _pytorchvideo(**settings).to(device)
            network.load_state_dict(weights)
            del weights
        self.norms = batch_norms(network)
        for norm in self.norms:
            norm.defer_update = True  # as in training
        network = network.to(memory_format=torch.channels_last_3d if mode.channels_last else torch.contiguous_format)
        self.network = network
        self.run = compiled(self._logits) if mode.compiled else self._logits
        self.optimizer = torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9, nesterov=True)
        found = self.forward()
        self.output_error = float((found - exact).square().mean().sqrt() / exact.square().mean().sqrt())
        del found, exact
        self.step()
        self.peak_bytes: int | None = None
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            self.step()
            self.peak_bytes = torch.cuda.max_memory_allocated(device) - others

    def _exact(self, network: nn.Module) -> Tensor:
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return network.eval()(normalize(self.views).contiguous()).float()

    def _logits(self, network: nn.Module, views: Tensor) -> Tensor:
        clips = normalize(views)
        return network(clips if self.mode.channels_last else clips.contiguous())

    def _precision(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.mode.autocast, enabled=self.mode.autocast is not None)

    def forward(self, _: object = None) -> Tensor:
        self.network.eval()
        with torch.no_grad(), self._precision():
            logits = self.run(self.network, self.views)
        self._wait()
        return logits.float()

    def step(self, _: object = None) -> None:
        self.network.train()
        with self._precision():
            logits = self.run(self.network, self.views)
        loss = F.cross_entropy(logits.float(), self.labels)
        self.optimizer.zero_grad()
        loss.backward()
        update_running_statistics(self.norms)
        self.optimizer.step()
        self._wait()

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


class _PlainGroupNorm(GroupNorm):
    """nn.GroupNorm, for which autocast decides on the dtype."""

    forward = nn.GroupNorm.forward


def _network(name: str, settings: dict[str, Any]) -> nn.Module:
    groups = {} if settings["width"] >= 32 or name not in ("gn", PLAIN_GN) else {"channels_per_group": 4}
    norm = "gn" if name == PLAIN_GN else name
    network = build_network(**{"norm": norm, "num_classes": NUM_CLASSES, **groups, **settings})
    for module in network.modules():
        if name == PLAIN_GN and isinstance(module, GroupNorm):
            module.__class__ = _PlainGroupNorm
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim == 1:  # as they begin, some gammas are 0, and silence the layers before them
                parameter.uniform_(0.5, 1.5)
    return network


def _pytorchvideo(*, network: str, depth: int, width: int, num_frames: int, crop_size: int, layout: str) -> nn.Module:
    """Return PyTorchVideo's I3D with batch normalization; its head's pool is for these clips."""
    if layout != "slowfast" or depth < 50:
        raise ValueError("it has layout slowfast and depths 50 and 101 alone")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`torch\.jit.*")
        from pytorchvideo.models.resnet import create_resnet
    return create_resnet(
        model_depth=depth,
        model_num_class=NUM_CLASSES,
        stem_dim_out=width,
        stem_conv_kernel_size=(5, 7, 7),
        stage1_pool=nn.MaxPool3d,
        stage_conv_a_kernel_size=((3, 1, 1), [(3, 1, 1), (1, 1, 1)], [(3, 1, 1), (1, 1, 1)], [(1, 1, 1), (3, 1, 1)]),
        head_pool_kernel_size=(num_frames // 2, math.ceil(crop_size / 32), math.ceil(crop_size / 32)),
    )


def _row(name: str, mode: Mode, way: _Way, forward: Times, step: Times, of_bn: Times | None) -> Row:
    return Row(
        name,
        mode,
        forward_seconds=_number(forward.median),
        step_seconds=_number(step.median),
        clips_per_second=_number(mode.clips / step.median),
        ratio=None if of_bn is None else _number(step.ratio_to(of_bn)),
        peak_bytes=way.peak_bytes,
        output_error=way.output_error,
        error=step.error or forward.error,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

"""A trained network as a program that needs no videogn: uint8 views in, probabilities out; checked before it is there.

Shapes: N views, T frames, H, W, K classes.
"""

from __future__ import annotations

import json
import statistics
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from videogn.files import replacing
from videogn.models.compiled import positions
from videogn.models.network import VideoNetwork
from videogn.trained.names import FormatName
from videogn.training.scoring import averaged

# The largest difference of a probability that is rounding. Seen: 6e-7.
TOLERANCE = 1e-4
# Likewise, as a share of the probability: where a network is sure of a class, all differences are small.
RELATIVE_TOLERANCE = 1e-2
_LEAST_PROBABILITY = 1e-6
ABOUT = "videogn.json"  # in a .pt2 file; the metadata of an ONNX file has it under "videogn"
_SECONDS_OF_TIMING = 3.0
Program = Callable[[Tensor], Tensor]


class ExportError(RuntimeError):
    """A network that could not be written as a program, or a program that says something else than its network."""


class ViewProbabilities(nn.Module):
    """Probabilities [N, K] of uint8 views [N, T, H, W, 3], RGB: normalisation, network, softmax, mean over positions.

    Args:
        multi_label: Whether each class has a probability of its own: sigmoid instead of softmax.
    """

    def __init__(self, model: VideoNetwork, *, multi_label: bool = False) -> None:
        super().__init__()
        self.model = model
        self.multi_label = multi_label

    def forward(self, views: Tensor) -> Tensor:
        """Return probabilities [N, K] of views."""
        return averaged(positions(self.model, views), multi_label=self.multi_label)


@dataclass(frozen=True)
class Checked:
    """What a program was found to do, beside its network.

    Attributes:
        num_views: Real views that both were asked about, all at once and in smaller batches.
        largest_difference: Of a probability.
        milliseconds: By the number of views in a forward: medians of (network, program), in turn, on one machine.
    """

    num_views: int
    largest_difference: float
    milliseconds: dict[int, tuple[float, float]]


def export(
    model: VideoNetwork,
    views: Tensor,
    out: Path,
    *,
    name: FormatName,
    about: dict[str, Any],
    multi_label: bool = False,
) -> Checked:
    """Write a network as a program of any number of views, and check the file before it takes its place.

    Args:
        views: uint8 [N, T, H, W, 3]: what to check it on. Programs take views of this size alone.
        about: Kept in it as JSON.
        multi_label: Whether each class has a probability of its own.

    Raises:
        ExportError: The program differs from the network by more than rounding, or could not be made.
        OSError: The file can't be written.
    """
    network = ViewProbabilities(model, multi_label=multi_label).eval()
    # Of two views: torch.export takes 1 for a constant.
    example = views[:2] if len(views) > 1 else views.repeat(2, 1, 1, 1, 1)
    write, read = {"torch_export": (_write_pt2, _read_pt2), "onnx": (_write_onnx, _read_onnx)}[name]
    with replacing(out) as partial, torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporters' own insides
        try:
            write(network, example, partial, json.dumps(about))
            program = read(partial)
            found, share = _differences(program, network, views)
        except OSError:
            raise
        except Exception as error:  # the exporters raise whatever they trip over
            reason = str(error).strip().splitlines() or [type(error).__name__]
            raise ExportError(f"this network can't be written as {name}: {reason[0]}") from error
        if not found < TOLERANCE:
            raise ExportError(
                f"the program that was written differs from the network by {found:.2g} in a probability; expected less "
                f"than {TOLERANCE:g}. It was not kept"
            )
        if not share < RELATIVE_TOLERANCE:
            raise ExportError(
                f"the program that was written differs from the network by {share:.2g} of a probability; expected less "
                f"than {RELATIVE_TOLERANCE:g} of it. It was not kept"
            )
        seconds = {size: _timed(program, network, views[:size]) for size in sorted({1, len(views)})}
    return Checked(len(views), found, seconds)


def _write_pt2(network: nn.Module, example: Tensor, path: Path, about: str) -> None:
    shapes = ({0: torch.export.Dim("views", min=1)},)
    program = torch.export.export(network, (example,), dynamic_shapes=shapes)
    torch.export.save(program, path, extra_files={ABOUT: about})


def _read_pt2(path: Path) -> Program:
    return torch.export.load(path).module()


def _write_onnx(network: nn.Module, example: Tensor, path: Path, about: str) -> None:
    program = torch.onnx.export(
        network,
        (example,),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("num_views", min=1)},),
        input_names=["views"],
        output_names=["probabilities"],
        verbose=False,
    )
    assert program is not None
    program.model.metadata_props["videogn"] = about
    program.save(path)


def _read_onnx(path: Path) -> Program:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()  # as the network, which it is timed against
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda views: torch.from_numpy(session.run(None, {"views": views.numpy()})[0])


def _differences(program: Program, network: nn.Module, views: Tensor) -> tuple[float, float]:
    """Return the largest difference of a probability, and the largest as a share of it, over batches of several sizes.

    Probabilities below 1e-6 count as 1e-6 in the second.
    """
    sizes = sorted({1, min(3, len(views)), len(views)})
    pairs = [(program(views[:size]), network(views[:size])) for size in sizes]
    found, expected = (torch.cat(each) for each in zip(*pairs, strict=True))
    differences = (found - expected).abs()
    shares = differences / expected.clamp_min(_LEAST_PROBABILITY)
    return float(differences.max()), float(shares.max())  # nan, where there is one


def _timed(program: Program, network: nn.Module, views: Tensor) -> tuple[float, float]:
    """Return median milliseconds of (network, program), each in turn."""
    taken: dict[Program, list[float]] = {network: [], program: []}
    begun = time.perf_counter()
    while len(taken[program]) < 3 or (time.perf_counter() - begun < _SECONDS_OF_TIMING and len(taken[program]) < 50):
        for run, seconds in taken.items():
            before = time.perf_counter()
            run(views)
            seconds.append(time.perf_counter() - before)
    first, second = (1000 * statistics.median(seconds) for seconds in taken.values())
    return first, second

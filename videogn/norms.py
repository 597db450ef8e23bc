"""What a norm is: the one table that all parts read, without torch.

A new norm is a name and a row here, and what builds its layers in models/norm.py.
"""

from dataclasses import dataclass
from typing import Literal

# mypy and the command's parser need them written out, in the order of the table.
NormName = Literal["gn", "bn", "sync_bn", "frozen_bn", "ln", "in", "brn", "none"]
# Ends the name of a study's level that standardises the convolutions' kernels beside its norm: gn+ws.
STANDARDIZED = "+ws"
DEFAULT_NUM_GROUPS = 32  # Wu & He, section 3.2; all known files of theirs and others have as many


@dataclass(frozen=True)
class Norm:
    """A row: what is asked about a norm outside its layers."""

    name: NormName
    label: str  # in reports
    style: int | None  # place of its colour and marker in every figure, among those of drawing.py; None: ink, a cross
    help: str
    source: str
    settings: tuple[str, ...] = ()  # those that it has; another that is given has no effect, and warns
    shares_statistics: bool = False  # whether a clip's output in training depends on the clips of its forward
    over_devices: bool = False  # whether it depends on those of all devices, and no setting splits them
    keeps_statistics: bool = False  # whether it has a running mean and variance, which mean the same in all that do
    needs_weights: bool = False  # whether these are never computed, and come from the weights that a run starts from
    normalises: bool = True


NORMS: dict[str, Norm] = {norm.name: norm for norm in (
    Norm("gn", "GN", style=0, settings=("num_groups", "channels_per_group"),
         help="group norm, over (C/G, T, H, W) of each clip", source="Wu & He 2018"),
    Norm("bn", "BN", style=1, settings=("norm_batch_size",), shares_statistics=True, keeps_statistics=True,
         help="batch norm, over (N, T, H, W)", source="Ioffe & Szegedy 2015"),
    Norm("sync_bn", "SyncBN", style=6, shares_statistics=True, over_devices=True, keeps_statistics=True,
         help="bn over the clips of all devices", source="Peng et al. 2018"),
    Norm("frozen_bn", "frozen BN", style=4, keeps_statistics=True, needs_weights=True,
         help="bn with the fixed statistics of --model.weights, the paper's BN*", source="Wu & He 2018, section 4.2"),
    Norm("ln", "LN", style=2, help="layer norm, over (C, T, H, W) of each clip", source="Ba et al. 2016"),
    Norm("in", "IN", style=5,
         help="instance norm, over (T, H, W) of each clip and channel", source="Ulyanov et al. 2016"),
    Norm("brn", "BRN", style=3, settings=("norm_batch_size", "renorm"), shares_statistics=True, keeps_statistics=True,
         help="batch renorm, bn corrected towards its running statistics", source="Ioffe 2017"),
    Norm("none", "no norm", style=None, normalises=False,
         help="scale and shift alone, residual branches starting at zero", source="De & Smith 2020, SkipInit"),
)}  # fmt: skip
# A line each; indented as they stand in a docstring that a command's help is made of.
HELP = (";\n" + 16 * " ").join(f"{norm.name}: {norm.help} ({norm.source})" for norm in NORMS.values()) + "."


def divisors(number: int) -> list[int]:
    """Return the divisors of a positive number, in rising order: what can divide channels or clips into groups."""
    return [divisor for divisor in range(1, number + 1) if number % divisor == 0]


def find_norm(name: str) -> Norm:
    """Return a norm's row; raise ValueError for a name that is none's."""
    if name not in NORMS:
        raise ValueError(f"unknown norm {name!r}; expected one of {', '.join(NORMS)}")
    return NORMS[name]

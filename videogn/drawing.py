"""What the figures share: colours that are told apart with any colour vision, and files of a figure.

matplotlib is imported where it is used: importing videogn.ablation must stay cheap. No pyplot: it keeps global state.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from videogn.norms import NORMS, STANDARDIZED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Each hue's name in a page that follows light and dark, where the same hue is brighter on a dark ground.
INK, MUTED, GRID, GROUND = "#1d2026", "#5c616b", "#e1e3e8", "#ffffff"
# Okabe and Ito's palette, its light hues darkened for lines on white.
CATEGORIES = ("#0072b2", "#d55e00", "#009e73", "#b5508c", "#a87900", "#2b93cf", "#6b5b95")
# An order of magnitude, large to small: lightness rises all the way.
ORDERED = ("#241a8a", "#6a1fa8", "#b12a90", "#dd5a66", "#ee8f3c")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
# Points of an inch at which text is legible in a page and in a README.
TEXT = 9.5


@dataclass(frozen=True)
class Drawing:
    """A figure's two files, and in words what is to be seen."""

    png: bytes
    svg: bytes
    description: str
    caption: str


def category(label: str, *, place: int) -> tuple[str, str]:
    """Return colour and marker of a level: a norm has its own in every figure, another label that of its place.

    With weight standardization a norm has its hue, darker, and a star.
    """
    norm = label.removesuffix(STANDARDIZED)
    style = NORMS[norm].style if norm in NORMS else place
    if style is None:
        return INK, "x"
    if norm != label and norm in NORMS:
        return _darker(CATEGORIES[style % 7]), "*"
    return CATEGORIES[style % 7], MARKERS[style % 7]


def _darker(colour: str) -> str:
    return "#" + "".join(f"{round(int(colour[place : place + 2], 16) * 0.5):02x}" for place in (1, 3, 5))


def ordered_colours(number: int) -> list[str]:
    """Return colours of ordered levels, spread over the scale."""
    if number == 1:
        return [ORDERED[1]]
    if number > len(ORDERED):
        return [ORDERED[place % len(ORDERED)] for place in range(number)]
    return [ORDERED[round(place * (len(ORDERED) - 1) / (number - 1))] for place in range(number)]


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, its size in inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=180, layout="constrained", facecolor=GROUND)
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: "Axes", *, grid: str) -> None:
    """Give axes a light look: `grid` is the axis whose values are read off."""
    axes.set_facecolor(GROUND)
    axes.grid(axis=grid, color=GRID, linewidth=0.8)  # type: ignore[arg-type]
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    for spine in axes.spines.values():
        spine.set_color(MUTED)
        spine.set_linewidth(0.8)
    axes.tick_params(labelsize=TEXT, colors=MUTED, labelcolor=INK, length=3)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(INK)
        axis.label.set_fontsize(TEXT)


def set_title(figure: "Figure", lines: Sequence[str]) -> None:
    """Write a figure's title above all else: the first line is the heading."""
    height = figure.get_size_inches()[1]
    step = 1.4 * TEXT / 72 / height
    for place, line in enumerate(lines):
        text = figure.text(0.015, 1 - 0.06 / height - place * step, line, va="top", fontsize=TEXT, color=MUTED)
        if place == 0:
            text.set(color=INK, fontweight="bold")
        else:
            text.set(fontsize=TEXT - 1)
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.set(w_pad=0.1, h_pad=0.08, rect=(0, 0, 1, 1 - 0.08 / height - len(lines) * step))  # type: ignore[call-arg]


def files_of(figure: "Figure", *, description: str, caption: str) -> Drawing:
    """Return a figure's PNG and SVG, the same bytes for the same figure."""
    import matplotlib

    png, svg = io.BytesIO(), io.BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    # Text stays text: it can be read out, found and set in the page's own type.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "videogn"}):
        figure.savefig(svg, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return Drawing(png.getvalue(), svg.getvalue(), description, caption)


def spread(positions: Sequence[float], *, least: float) -> list[float]:
    """Return positions moved apart, in their order, until neighbours are `least` apart: labels that do not overlap."""
    order = sorted(range(len(positions)), key=lambda place: positions[place])
    moved = [positions[place] for place in order]
    for _ in range(200):
        is_apart = True
        for k in range(1, len(moved)):
            lack = least - (moved[k] - moved[k - 1])
            if lack > 1e-9 * max(1.0, least):
                moved[k - 1] -= lack / 2
                moved[k] += lack / 2
                is_apart = False
        if is_apart:
            break
    result = [0.0] * len(positions)
    for place, value in zip(order, moved, strict=True):
        result[place] = value
    return result

"""The picture of a confusion matrix of few classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from videogn.drawing import GROUND, INK, TEXT, Drawing, files_of, new_figure, set_title, style_axes
from videogn.wording import counted

# Of more classes the names and counts can't be read.
MOST_CLASSES = 30
_MOST_LETTERS = 18


def draw_confusion(counts: NDArray[np.intp], classes: Sequence[str]) -> Drawing | None:
    """Return the picture of [K, K] counts (row: class, column: prediction); None of too many classes to read."""
    size = len(classes)
    if size > MOST_CLASSES:
        return None
    from matplotlib.colors import LinearSegmentedColormap

    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    names = [shortened(name) for name in classes]
    letters = max(map(len, names))
    text = TEXT if size <= 12 else max(5.5, TEXT * 12 / size)
    width = 6.3
    side = width - 0.075 * letters * text / TEXT - 0.9
    figure = new_figure(width, min(side, 0.85 * size) + 0.075 * letters * text / TEXT + 1.1)
    axes = figure.subplots()
    style_axes(axes, grid="y")
    axes.grid(visible=False)
    colours = LinearSegmentedColormap.from_list("counts", [GROUND, "#8fc1e3", "#0b5c96", "#06355a"])
    axes.pcolormesh(shares, cmap=colours, vmin=0, vmax=1, edgecolors="#e1e3e8", linewidth=0.6)
    for row, column in zip(*np.nonzero(counts), strict=True):
        colour = GROUND if shares[row, column] > 0.5 else INK
        place = (column + 0.5, row + 0.5)
        axes.text(*place, str(counts[row, column]), ha="center", va="center", color=colour, fontsize=text - 0.5)
    ticks = np.arange(size) + 0.5
    slanted = letters * size > 60
    axes.set_xticks(ticks, names, rotation=90 if slanted else 0)
    axes.set_yticks(ticks, names)
    axes.tick_params(labelsize=text, length=0)
    axes.set_ylim(size, 0)
    axes.set_xlabel("predicted as")
    axes.set_ylabel("class")
    for spine in axes.spines.values():
        spine.set_visible(False)
    set_title(figure, ["Which class is taken for which", "videos; the darker, the larger the share of its row's class"])
    num, right = int(counts.sum()), int(np.trace(counts))
    description = f"Confusion matrix of {counted(size, 'class')}: {right} of {num} videos lie on the diagonal"
    return files_of(
        figure, description=description, caption="Rows: the class of a video. Columns: what it was predicted as."
    )


def shortened(name: str) -> str:
    """Return a name as a tick's label: in one short line, and no formula."""
    name = " ".join(name.split())
    name = name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"
    return name.replace("$", r"\$")

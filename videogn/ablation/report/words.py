"""Axes, levels and points as a sentence or a table names them."""

from collections.abc import Iterable, Mapping, Sequence

from videogn.ablation.axes import NORM_BATCH_SIZE
from videogn.ablation.cells import level_label
from videogn.norms import NORMS

# The axis of norms: the setting, or an axis of labels that are called by their norms.
NORM_AXES = ("model.norm", "norm")


def axis_words(axis: str) -> str:
    """Return an axis as the head of a column: norm, normalisation batch, num_frames; a name of the study's as it is."""
    return "normalisation batch" if axis == NORM_BATCH_SIZE else axis.rsplit(".", 1)[-1]


def level_words(axis: str, label: str) -> str:
    """Return a level as an entry of its axis' column: GN, 2, 32x2."""
    return NORMS[label].label if axis in NORM_AXES and label in NORMS else label


def norm_axis(axes: Iterable[str]) -> str | None:
    """Return the name of the axis of norms, or None where there is none."""
    return next((axis for axis in axes if axis in NORM_AXES), None)


def point_words(labels: Mapping[str, str], *, is_short: bool = False) -> str:
    """Return the levels of all axes in words, such as "BN at normalisation batch 2".

    Args:
        labels: The level on each axis, by the axis' name.
        is_short: Behind another point in one sentence: "BN at 16".
    """
    norm = norm_axis(labels)
    others = [level_label(axis, label) for axis, label in labels.items() if axis not in (norm, NORM_BATCH_SIZE)]
    head = []
    if norm is not None:
        head.append(level_words(norm, labels[norm]))
    if NORM_BATCH_SIZE in labels:
        size = level_label(NORM_BATCH_SIZE, labels[NORM_BATCH_SIZE])
        if head:
            head[0] += f" at {labels[NORM_BATCH_SIZE] if is_short else size}"
        else:
            head.append(size)
    return ", ".join([*head, *others])


def listed(words: Sequence[str]) -> str:
    """Return words as a list in a sentence: a, b and c."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def counted(number: int, noun: str) -> str:
    """Return a number of things: 1 seed, 3 seeds."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"

"""What a page says of videos of any number of labels each: classes, what is taken for a label, calibration, most wrong.

Shapes: n videos, K classes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from videogn import page
from videogn.drawing import Drawing
from videogn.page import Column, Table
from videogn.trained.report.calibration import Calibration, calibration, calibration_csv
from videogn.trained.report.calibration_figure import OF_PAIRS, draw_calibration
from videogn.trained.report.document import AboutVideos, folded, picture_of, probability_text
from videogn.trained.report.scores_of_labels import LabelRow, ScoresOfLabels, label_rows, labels_csv
from videogn.trained.report.strips import MOST_VIDEOS
from videogn.trained.segments import THRESHOLD
from videogn.wording import counted, number_text

MOST_FALSE = 25
# Labels of a video that are named, and classes that it is most probably of.
MOST_LABELS, MOST_PROBABLE = 10, 3


def about_labels(scores: ScoresOfLabels, classes: Sequence[str]) -> AboutVideos:
    """Return what the page says of a test's videos.

    Args:
        scores: Of them.
        classes: [K] names.
    """
    rows = label_rows(scores)
    groups = np.arange(len(scores.names)) if scores.groups is None else scores.groups
    # The pairs of a video are no independent draws.
    found = calibration(
        scores.probabilities.ravel().astype(np.float64),
        scores.is_labelled.ravel(),
        groups.repeat(scores.num_classes),
    )
    reliability = draw_calibration(found, OF_PAIRS)
    wrong = np.argsort(-scores.losses, kind="stable")[:MOST_VIDEOS].tolist()
    return AboutVideos(
        sections={
            "Classes": _classes(classes, rows),
            "Taken for a label": _false(classes, rows, num_videos=len(scores.names)),
            "Calibration": _calibration(found, reliability, num_pairs=scores.is_labelled.size),
        },
        drawings={"calibration": reliability},
        tables={"classes": labels_csv(rows, classes), "calibration": calibration_csv(found)},
        most_wrong=wrong,
        which_wrong=f"{len(wrong)} of {counted(len(scores.names), 'video')}, those of the highest loss first (binary "
        "cross-entropy, the mean over the classes)",
        said_of=lambda place: _said_of(scores, classes, place),
    )


def _classes(names: Sequence[str], rows: Sequence[LabelRow]) -> list[str]:
    columns = (
        Column("class", is_name=True),
        Column("videos"),
        Column("average precision %"),
        Column(f"predicted at {THRESHOLD:g}"),
        Column("precision %"),
        Column("recall %"),
    )
    lines = tuple(
        (
            names[row.label],
            str(row.num),
            number_text(row.average_precision, digits=1),
            str(row.num_high),
            number_text(row.precision, digits=1),
            number_text(row.recall, digits=1),
        )
        for row in rows
    )
    caption = (
        "By average precision, the lowest first: of few videos it says little. Videos: those that are of the class. "
        f"Predicted: those in which it has a probability of {THRESHOLD:g} or more, of which precision and recall are."
    )
    return folded(columns, lines, caption)


def _false(names: Sequence[str], rows: Sequence[LabelRow], *, num_videos: int) -> list[str]:
    false = sorted((row for row in rows if row.num_false), key=lambda row: (-row.num_false, row.label))[:MOST_FALSE]
    if not false:
        return ["In no video is another class more probable than one of its labels."]
    columns = (
        Column("class", is_name=True),
        Column("taken for a label in"),
        Column("of videos without it"),
        Column("share %"),
        Column("most often in place of", is_text=True),
    )
    lines = tuple(
        (
            names[row.label],
            str(row.num_false),
            str(num_videos - row.num),
            f"{100 * row.num_false / (num_videos - row.num):.0f}",
            "" if row.in_place_of is None else f"{names[row.in_place_of[0]]} ({row.in_place_of[1]})",
        )
        for row in false
    )
    caption = (
        "Of a video with m labels the m most probable classes are looked at. A class among them that is no label is "
        "taken for one, in place of a label that is not among them. "
        f"{counted(len(false), 'class').capitalize()}, by the number of videos."
    )
    return [page.table(Table(columns, lines, caption))]


def _calibration(found: Calibration, drawing: Drawing, *, num_pairs: int) -> list[str]:
    gap = found.confidence - found.accuracy
    mean = f"On average a class has a probability of {found.confidence:.1f} %, and is a label in {found.accuracy:.1f} %"
    if abs(gap) >= 0.05:
        mean += f": {abs(gap):.1f} points too {'high' if gap > 0 else 'low'}"
    sentences = [
        f"Expected calibration error: {found.error:.1f} points, over {counted(num_pairs, 'pair')} of a video and a "
        f"class. Classes that are there exactly as often as they say would show about {found.by_chance:.1f}.",
        f"{mean}.",
    ]
    return [page.bullets(sentences), picture_of("calibration.png", drawing)]


def _said_of(scores: ScoresOfLabels, names: Sequence[str], place: int) -> str:
    shares = scores.probabilities[place]
    order = np.argsort(-shares, kind="stable").tolist()

    def named(labels: Sequence[int]) -> str:
        return ", ".join(f"{names[label]} ({probability_text(float(shares[label]))})" for label in labels)

    own = [label for label in order if scores.is_labelled[place, label]]
    more = f" and {len(own) - MOST_LABELS} more" if len(own) > MOST_LABELS else ""
    labels = f"Is {named(own[:MOST_LABELS])}{more}" if own else "Is of no class"
    return f"{labels}; most probable: {named(order[:MOST_PROBABLE])}: {scores.names[place]}"

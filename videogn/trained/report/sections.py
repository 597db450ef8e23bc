"""What a page says of videos of one class each: which is taken for which, classes, calibration, the most wrong."""

from __future__ import annotations

from collections.abc import Sequence

from videogn import page
from videogn.drawing import Drawing
from videogn.intervals import interval_text
from videogn.page import Column, Table
from videogn.trained.report.calibration import Calibration, calibration_csv, calibration_of
from videogn.trained.report.calibration_figure import draw_calibration
from videogn.trained.report.confusion import (
    ClassRow,
    Confused,
    class_rows,
    classes_csv,
    confusion,
    confusion_csv,
    most_confused,
    pairs_of,
)
from videogn.trained.report.confusion_figure import draw_confusion
from videogn.trained.report.document import AboutVideos, folded, picture_of, probability_text
from videogn.trained.report.scores import Scores
from videogn.trained.report.strips import most_wrong
from videogn.wording import counted, number_text

MOST_PAIRS = 25


def about_classes(scores: Scores, classes: Sequence[str]) -> AboutVideos:
    """Return what the page says of a test's videos.

    Args:
        scores: Of them.
        classes: [K] names.
    """
    pairs, counts, calibration = pairs_of(scores), confusion(scores), calibration_of(scores)
    rows, confused = class_rows(scores, pairs), most_confused(pairs, most=MOST_PAIRS)
    matrix = None if counts is None else draw_confusion(counts, classes)
    reliability = None if calibration is None else draw_calibration(calibration)
    wrong = most_wrong(scores)
    num_wrong = counted(int((~scores.is_right).sum()), "wrong video")
    return AboutVideos(
        sections={
            "Confusion": _confusion(classes, matrix, confused),
            "Classes": _classes(classes, rows),
            "Calibration": _calibration(len(scores.labels), calibration, reliability),
        },
        drawings={"confusion": matrix, "calibration": reliability},
        tables={
            "confusion": None if counts is None else confusion_csv(counts, classes),
            "classes": classes_csv(rows, classes),
            "calibration": None if calibration is None else calibration_csv(calibration),
        },
        most_wrong=wrong,
        which_wrong=f"{len(wrong)} of {num_wrong}, those first whose own class is the least probable",
        said_of=lambda place: _said_of(scores, classes, place),
    )


def _confusion(names: Sequence[str], drawing: Drawing | None, confused: Sequence[Confused]) -> list[str]:
    if drawing is not None:
        return [picture_of("confusion.png", drawing)]
    columns = (
        Column("class", is_text=True),
        Column("taken for", is_text=True),
        Column("videos"),
        Column("of"),
        Column("share %"),
    )
    table = Table(
        columns,
        tuple(
            (names[p.label], names[p.predicted], str(p.num), str(p.num_of_class), f"{100 * p.num / p.num_of_class:.0f}")
            for p in confused
        ),
        f"The {len(confused)} pairs with the most videos.",
    )
    return [page.table(table)] if confused else ["No video is taken for another class."]


def _classes(names: Sequence[str], rows: Sequence[ClassRow]) -> list[str]:
    columns = (
        Column("class", is_name=True),
        Column("videos"),
        Column("wrong"),
        Column("error %"),
        Column("95 %"),
        Column("predicted"),
        Column("precision %"),
        Column("most often taken for", is_text=True),
    )
    lines = tuple(
        (
            names[row.label],
            str(row.num),
            str(row.num_wrong),
            "-" if row.error is None else number_text(row.error.mean, digits=1),
            interval_text(row.error),
            str(row.num_predicted),
            number_text(row.precision, digits=1),
            "" if row.taken_for is None else f"{names[row.taken_for[0]]} ({row.taken_for[1]})",
        )
        for row in rows
    )
    num_unseen = sum(row.num == 0 for row in rows)
    unseen = f" {counted(num_unseen, 'class')} had no video in the test." if num_unseen else ""
    caption = (
        f"By error, the highest first. Intervals are of each class by itself: of many, some lie off by chance.{unseen}"
    )
    return folded(columns, lines, caption)


def _calibration(num: int, found: Calibration | None, drawing: Drawing | None) -> list[str]:
    if found is None or drawing is None:
        return [page.note("videos.csv is of an earlier version and has no confidences: `videogn test` writes them.")]
    gap = found.confidence - found.accuracy
    mean = f"On average it is {found.confidence:.1f} % sure, and right in {found.accuracy:.1f} %"
    if abs(gap) >= 0.05:
        mean += f": {abs(gap):.1f} points too {'sure' if gap > 0 else 'unsure'}"
    sentences = [
        f"Expected calibration error: {found.error:.1f} points. A network that is right exactly as often as it says "
        f"would show about {found.by_chance:.1f} on {counted(num, 'video')}.",
        f"{mean}.",
    ]
    return [page.bullets(sentences), picture_of("calibration.png", drawing)]


def _said_of(scores: Scores, names: Sequence[str], place: int) -> str:
    own, predicted, rank = (int(of[place]) for of in (scores.labels, scores.predicted, scores.ranks))
    sure = "" if scores.confidence is None else f" ({probability_text(float(scores.confidence[place]))})"
    tie = ", a tie" if own == predicted else ""
    return (
        f"Is {names[own]} ({probability_text(float(scores.probability[place]))}, rank {rank + 1}), predicted as "
        f"{names[predicted]}{sure}{tie}: {scores.names[place]}"
    )

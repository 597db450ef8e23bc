"""The page's files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from videogn.files import ODD_NAMES, csv_text, write_all
from videogn.page import page_of
from videogn.trained.report.answer import answer_text
from videogn.trained.report.calibration import calibration_csv, calibration_of
from videogn.trained.report.calibration_figure import draw_calibration
from videogn.trained.report.confusion import class_rows, classes_csv, confusion, confusion_csv, most_confused, pairs_of
from videogn.trained.report.confusion_figure import draw_confusion
from videogn.trained.report.curves_figure import draw_curves
from videogn.trained.report.document import MOST_PAIRS, document_of, strip_name, title_of
from videogn.trained.report.gather import Gathered
from videogn.trained.report.strips import most_wrong, strips_of


def write_report(
    gathered: Gathered, out: Path, *, on_done: Callable[[str, object, int, int], None] = lambda *_: None
) -> dict[str, Path]:
    """Write a run's page and what stands beside it, each file whole or not at all.

    Args:
        out: The folder to write to; it is made.
        on_done: Is called whenever the frames of a video are read: name, what is wrong, how many are done, of how many.

    Returns:
        The files written: report.html, and where there is something to show curves, confusion and calibration as .png
        and .svg, and confusion.csv, classes.csv and calibration.csv. What is left of an earlier page is removed.
    """
    scores, result = gathered.scores, gathered.result
    drawings = {"curves": draw_curves(gathered.metrics), "confusion": None, "calibration": None}
    tables: dict[str, Sequence[Sequence[object]] | None] = dict.fromkeys(("confusion", "classes", "calibration"))
    confused, rows, calibration, strips = [], [], None, []
    if scores is not None and result is not None:
        pairs, counts = pairs_of(scores), confusion(scores)
        rows, confused = class_rows(scores, pairs), most_confused(pairs, most=MOST_PAIRS)
        if counts is not None:
            drawings["confusion"] = draw_confusion(counts, gathered.classes)
            tables["confusion"] = confusion_csv(counts, gathered.classes)
        tables["classes"] = classes_csv(rows, gathered.classes)
        calibration = calibration_of(scores)
        if calibration is not None:
            drawings["calibration"] = draw_calibration(calibration)
            tables["calibration"] = calibration_csv(calibration)
        data = gathered.settings["data"]
        strips = strips_of(most_wrong(scores), scores.names, settings=data, result=result, on_done=on_done)
    markdown = document_of(
        gathered,
        curves=drawings["curves"],
        confusion=drawings["confusion"],
        confused=confused,
        rows=rows,
        calibration=calibration,
        reliability=drawings["calibration"],
        strips=strips,
    )
    pictures = {f"{name}.png": drawing.svg for name, drawing in drawings.items() if drawing}
    pictures |= {strip_name(number): strip.jpeg for number, strip in enumerate(strips) if strip.jpeg is not None}
    page = page_of(markdown, title=f"{title_of(gathered)}: {answer_text(gathered)}", pictures=pictures)
    files: dict[str, bytes | None] = {"report.html": page.encode("utf-8", ODD_NAMES)}
    for name, drawing in drawings.items():
        files[f"{name}.png"], files[f"{name}.svg"] = (drawing.png, drawing.svg) if drawing else (None, None)
    for name, lines in tables.items():
        files[f"{name}.csv"] = None if lines is None else csv_text(lines).encode("utf-8", ODD_NAMES)
    out.mkdir(parents=True, exist_ok=True)
    return write_all(files, folder=out)

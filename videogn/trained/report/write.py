"""The page's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from videogn.files import ODD_NAMES, csv_text, write_all
from videogn.page import page_of
from videogn.trained.names import PAGE_FILES
from videogn.trained.report.answer import answer_text
from videogn.trained.report.curves_figure import draw_curves
from videogn.trained.report.document import AboutVideos, document_of, strip_name, title_of
from videogn.trained.report.gather import Gathered
from videogn.trained.report.scores_of_labels import ScoresOfLabels
from videogn.trained.report.sections import about_classes
from videogn.trained.report.sections_of_labels import about_labels
from videogn.trained.report.strips import strips_of


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
    scores, result, data = gathered.scores, gathered.result, gathered.settings["data"]
    about, strips = AboutVideos(), []
    if scores is not None and result is not None:
        if isinstance(scores, ScoresOfLabels):
            about = about_labels(scores, gathered.classes)
        else:
            about = about_classes(scores, gathered.classes)
        strips = strips_of(about.most_wrong, scores.names, settings=data, result=result, on_done=on_done)
    drawings = {"curves": draw_curves(gathered.metrics), **about.drawings}
    markdown = document_of(gathered, curves=drawings["curves"], about=about, strips=strips)
    pictures = {f"{name}.png": drawing.svg for name, drawing in drawings.items() if drawing}
    pictures |= {strip_name(number): strip.jpeg for number, strip in enumerate(strips) if strip.jpeg is not None}
    page = page_of(markdown, title=f"{title_of(gathered)}: {answer_text(gathered)}", pictures=pictures)
    files: dict[str, bytes | None] = dict.fromkeys(PAGE_FILES)
    files["report.html"] = page.encode("utf-8", ODD_NAMES)
    for name, drawing in drawings.items():
        if drawing is not None:
            files[f"{name}.png"], files[f"{name}.svg"] = drawing.png, drawing.svg
    for name, lines in about.tables.items():
        if lines is not None:
            files[f"{name}.csv"] = csv_text(lines).encode("utf-8", ODD_NAMES)
    out.mkdir(parents=True, exist_ok=True)
    return write_all(files, folder=out)

"""What a run's page says, in its order, as Markdown: the answer first, then where it is wrong, then how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from videogn import page
from videogn.drawing import Drawing
from videogn.intervals import interval_text
from videogn.norms import NORMS
from videogn.page import Column, Table
from videogn.trained.report.answer import answer_notes, answer_text, warnings_of
from videogn.trained.report.calibration import Calibration
from videogn.trained.report.confusion import ClassRow, Confused
from videogn.trained.report.cost import cost_facts
from videogn.trained.report.gather import Gathered
from videogn.trained.report.provenance import commands, provenance_facts, test_command
from videogn.trained.report.strips import Strip
from videogn.wording import counted, number_text

# Rows of a table that are not folded away.
MOST_ROWS = 40
# And those that are: classes.csv has all.
MOST_FOLDED = 1000
# Videos that failed and are named: result.json names all.
MOST_FAILED = 200
MOST_PAIRS = 25


def title_of(gathered: Gathered) -> str:
    """Return the page's title."""
    return f"Run {gathered.folder.resolve().name}"


def document_of(
    gathered: Gathered,
    *,
    curves: Drawing | None,
    confusion: Drawing | None,
    confused: Sequence[Confused],
    rows: Sequence[ClassRow],
    calibration: Calibration | None,
    reliability: Drawing | None,
    strips: Sequence[Strip],
) -> str:
    """Return the page as Markdown.

    Args:
        gathered: What the run's folder says.
        curves: The figure of the training, curves.png, where there is one.
        confusion: The picture of the confusion matrix, confusion.png, where the classes are few.
        confused: The pairs of classes that are confused most.
        rows: A row for each class.
        calibration: Of the test; None where it is not known.
        reliability: Its figure, calibration.png.
        strips: Of the videos that are most wrong.
    """
    result = gathered.result
    parts = [f"# {page.text(title_of(gathered))}", page.paragraph(_lead(gathered))]
    parts += [page.notice("WARNING", words) for words in warnings_of(gathered)]
    if result is None:
        words = f"There are no scores of videos yet. To have them: {test_command(gathered)}"
        parts.append(page.notice("NOT TESTED", words))
    sections: dict[str, list[str]] = {
        "Answer": [page.bullets([answer_text(gathered)]), *map(page.note, answer_notes(gathered))] if result else [],
        "While training": [_picture("curves.png", curves)] if curves else [page.note("Nothing was logged.")],
        "Confusion": _confusion(gathered, confusion, confused),
        "Classes": _classes(gathered, rows),
        "Calibration": _calibration(gathered, calibration, reliability),
        "Most wrong": _strips(gathered, strips),
        "Videos that failed": _failed(gathered),
        "Cost": [page.facts(facts)] if (facts := cost_facts(result, gathered.metrics)) else [],
        "Provenance": [
            page.facts(provenance_facts(gathered)),
            "To run it again, to test it again, and to draw this page again:",
            page.code(commands(gathered)),
        ],
    }
    for title, blocks in sections.items():
        parts += [f"## {title}", *blocks] if blocks else []
    return "\n\n".join(parts) + "\n"


def _lead(gathered: Gathered) -> str:
    """Return the network and its training in a line."""
    norm = str(gathered.setting("model", "norm"))
    network = str(gathered.setting("model", "network") or "i3d")
    parts = [f"{network.upper()} with {NORMS[norm].label if norm in NORMS else norm}"]
    if gathered.setting("model", "weight_standardization"):
        parts[0] += " and weight standardization"
    if gathered.classes:
        parts.append(counted(len(gathered.classes), "class"))
    num_frames, interval = gathered.setting("data", "num_frames"), gathered.setting("data", "frame_interval")
    parts.append("single frames" if num_frames == 1 else f"clips of {num_frames} frames x interval {interval}")
    result = gathered.result
    last = max((each.step for logged in gathered.metrics.values() for each in logged), default=0)
    steps = result.steps if result is not None and result.steps is not None else last
    if steps:
        epochs = f" ({counted(result.epochs, 'epoch')})" if result is not None and result.epochs else ""
        parts.append(f"{counted(steps, 'update')}{epochs}")
    if result is not None and result.total_batch_size:
        parts[-1] += f" of {counted(result.total_batch_size, 'clip')}"
    return "; ".join(parts) + "."


def _picture(name: str, drawing: Drawing) -> str:
    return page.picture(name, description=drawing.description, caption=drawing.caption)


def _confusion(gathered: Gathered, drawing: Drawing | None, confused: Sequence[Confused]) -> list[str]:
    if gathered.scores is None:
        return []
    if drawing is not None:
        return [_picture("confusion.png", drawing)]
    names = gathered.classes
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


def _classes(gathered: Gathered, rows: Sequence[ClassRow]) -> list[str]:
    if not rows:
        return []
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
            gathered.classes[row.label],
            str(row.num),
            str(row.num_wrong),
            "-" if row.error is None else number_text(row.error.mean, digits=1),
            interval_text(row.error),
            str(row.num_predicted),
            number_text(row.precision, digits=1),
            "" if row.taken_for is None else f"{gathered.classes[row.taken_for[0]]} ({row.taken_for[1]})",
        )
        for row in rows
    )
    num_unseen = sum(row.num == 0 for row in rows)
    unseen = f" {counted(num_unseen, 'class')} had no video in the test." if num_unseen else ""
    caption = (
        f"By error, the highest first. Intervals are of each class by itself: of many, some lie off by chance.{unseen}"
    )
    blocks = [page.table(Table(columns, lines[:MOST_ROWS], caption))]
    if rest := lines[MOST_ROWS:MOST_FOLDED]:
        which = "The other" if len(lines) <= MOST_FOLDED else "The next"
        blocks.append(page.details(f"{which} {len(rest):,} classes", page.table(Table(columns, rest))))
    return blocks


def _calibration(gathered: Gathered, found: Calibration | None, drawing: Drawing | None) -> list[str]:
    if gathered.scores is None:
        return []
    if found is None or drawing is None:
        return [page.note("videos.csv is of an earlier version and has no confidences: `videogn test` writes them.")]
    gap = found.confidence - found.accuracy
    mean = f"On average it is {found.confidence:.1f} % sure, and right in {found.accuracy:.1f} %"
    if abs(gap) >= 0.05:
        mean += f": {abs(gap):.1f} points too {'sure' if gap > 0 else 'unsure'}"
    sentences = [
        f"Expected calibration error: {found.error:.1f} points. A network that is right exactly as often as it says "
        f"would show about {found.by_chance:.1f} on {counted(len(gathered.scores.labels), 'video')}.",
        f"{mean}.",
    ]
    return [page.bullets(sentences), _picture("calibration.png", drawing)]


def _strips(gathered: Gathered, strips: Sequence[Strip]) -> list[str]:
    scores = gathered.scores
    if scores is None:
        return []
    if not strips:
        return ["No video is wrong."]
    num_wrong = int((~scores.is_right).sum())
    blocks = [
        page.paragraph(
            f"{len(strips)} of {counted(num_wrong, 'wrong video')}, those first whose own class is the least "
            "probable; frames are spread evenly over each."
        )
    ]
    missing = [strip for strip in strips if strip.jpeg is None]
    if missing:
        first = missing[0]
        blocks.append(
            page.notice(
                "NO FRAMES",
                f"of {len(missing)} of them (the first, {scores.names[first.place]}: {first.reason}).",
            )
        )
    if len(missing) == len(strips):
        return [*blocks, page.bullets(f"{_said_of(gathered, strip)}" for strip in strips)]
    for number, strip in enumerate(strips):
        words = _said_of(gathered, strip)
        if strip.jpeg is None:
            blocks.append(page.note(f"{words} No frames: {strip.reason}."))
        else:
            blocks.append(page.picture(strip_name(number), description=f"Frames of {words}", caption=words))
    return blocks


def strip_name(number: int) -> str:
    """Return the name of a strip's picture in the page, from 0."""
    return f"video_{number + 1:02d}.jpg"


def _said_of(gathered: Gathered, strip: Strip) -> str:
    scores, names = gathered.scores, gathered.classes
    assert scores is not None
    own, predicted, rank = (int(of[strip.place]) for of in (scores.labels, scores.predicted, scores.ranks))
    sure = "" if scores.confidence is None else f" ({probability_text(float(scores.confidence[strip.place]))})"
    tie = ", a tie" if own == predicted else ""
    return (
        f"Is {names[own]} ({probability_text(float(scores.probability[strip.place]))}, rank {rank + 1}), predicted as "
        f"{names[predicted]}{sure}{tie}: {scores.names[strip.place]}"
    )


def probability_text(share: float) -> str:
    """Return a probability in percent: 97 %, 0.3 %, under 0.1 %."""
    percent = 100 * share
    if percent < 0.1:
        return "under 0.1 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"


def _failed(gathered: Gathered) -> list[str]:
    failed: Sequence[Mapping[str, str]] = gathered.result.failed_videos if gathered.result is not None else []
    if not failed:
        return []
    columns = (Column("video", is_text=True), Column("reason", is_text=True))
    rows = tuple((each.get("video", "-"), each.get("reason", "-")) for each in failed[:MOST_FAILED])
    more = len(failed) - len(rows)
    caption = f"{counted(more, 'more video')} in result.json." if more else ""
    table = page.table(Table(columns, rows, caption))
    summary = f"{counted(len(failed), 'video')} could not be decoded"
    return [table if len(failed) <= 10 else page.details(summary, table)]

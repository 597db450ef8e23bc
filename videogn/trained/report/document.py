"""What a run's page says, in its order, as Markdown: the answer first, then where it is wrong, then how it was made."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from videogn import page
from videogn.drawing import Drawing
from videogn.norms import NORMS
from videogn.page import Column, Table
from videogn.trained.report.answer import answer_notes, answer_text, warnings_of
from videogn.trained.report.cost import cost_facts
from videogn.trained.report.gather import Gathered
from videogn.trained.report.provenance import commands, provenance_facts, test_command
from videogn.trained.report.strips import Strip
from videogn.wording import counted

# Rows of a table that are not folded away.
MOST_ROWS = 40
# And those that are: classes.csv has all.
MOST_FOLDED = 1000
# Videos that failed and are named: result.json names all.
MOST_FAILED = 200


@dataclass(frozen=True)
class AboutVideos:
    """What a page says of videos by their labels: one class each (sections.py), any number (sections_of_labels.py).

    Args:
        sections: Blocks of Markdown by the sections' titles.
        drawings: Figures by name; None for one that can't be drawn.
        tables: Rows of CSV files by name; None for one that can't be made.
        most_wrong: Places of the videos that are most wrong, the worst first.
        which_wrong: Which those are, in words.
        said_of: Returns what is said of one of them.
    """

    sections: Mapping[str, list[str]] = field(default_factory=dict)
    drawings: Mapping[str, Drawing | None] = field(default_factory=dict)
    tables: Mapping[str, Sequence[Sequence[object]] | None] = field(default_factory=dict)
    most_wrong: Sequence[int] = ()
    which_wrong: str = ""
    said_of: Callable[[int], str] = str


def title_of(gathered: Gathered) -> str:
    """Return the page's title."""
    return f"Run {gathered.folder.resolve().name}"


def document_of(gathered: Gathered, *, curves: Drawing | None, about: AboutVideos, strips: Sequence[Strip]) -> str:
    """Return the page as Markdown.

    Args:
        gathered: What the run's folder says.
        curves: The figure of the training, curves.png, where there is one.
        about: What is said of the test's videos.
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
        "While training": [picture_of("curves.png", curves)] if curves else [page.note("Nothing was logged.")],
        **about.sections,
        "Most wrong": _strips(gathered, about, strips),
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


def picture_of(name: str, drawing: Drawing) -> str:
    """Return a figure of the page's folder with its caption."""
    return page.picture(name, description=drawing.description, caption=drawing.caption)


def folded(columns: tuple[Column, ...], rows: tuple[tuple[str, ...], ...], caption: str) -> list[str]:
    """Return a table of classes: of many, the first ones, and others folded away."""
    blocks = [page.table(Table(columns, rows[:MOST_ROWS], caption))]
    if rest := rows[MOST_ROWS:MOST_FOLDED]:
        which = "The other" if len(rows) <= MOST_FOLDED else "The next"
        blocks.append(page.details(f"{which} {len(rest):,} classes", page.table(Table(columns, rest))))
    return blocks


def _strips(gathered: Gathered, about: AboutVideos, strips: Sequence[Strip]) -> list[str]:
    scores = gathered.scores
    if scores is None:
        return []
    if not strips:
        return ["No video is wrong."]
    blocks = [page.paragraph(f"{about.which_wrong}; frames are spread evenly over each.")]
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
        return [*blocks, page.bullets(about.said_of(strip.place) for strip in strips)]
    for number, strip in enumerate(strips):
        words = about.said_of(strip.place)
        if strip.jpeg is None:
            blocks.append(page.note(f"{words} No frames: {strip.reason}."))
        else:
            blocks.append(page.picture(strip_name(number), description=f"Frames of {words}", caption=words))
    return blocks


def strip_name(number: int) -> str:
    """Return the name of a strip's picture in the page, from 0."""
    return f"video_{number + 1:02d}.jpg"


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

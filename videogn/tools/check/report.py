"""What a check leaves behind: check.md for people, check.csv for programs, exclude.txt for fit and test."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from videogn.data.lists.lines import Lines
from videogn.files import ODD_NAMES, csv_text, replacing
from videogn.tools.check.kinds import KINDS, Finding
from videogn.tools.check.run import Summary

EXCLUDE = "exclude.txt"
_MOST_SHOWN = 20  # of a kind, in check.md


def write_report(summary: Summary, out: Path, *, title: str, excluded: Iterable[str]) -> None:
    """Write the three files, each whole or not at all.

    Args:
        excluded: Names that the run goes without already: they stay so.

    Raises:
        OSError: They can't be written.
    """
    rows = [("weight", "kind", "split", "video", "seen", "what to do", "leave out")]
    for found in summary.findings:
        kind = KINDS[found.kind]
        leaves = found.path if kind.leaves_out and not kind.is_guess and found.path else ""
        rows.append((kind.weight, found.kind, found.split, found.video, found.words, kind.advice, leaves))
    for name, text in {
        "check.md": "\n".join(_lines(summary, title)) + "\n",
        "check.csv": csv_text(rows),
        EXCLUDE: "".join(f"{line}\n" for line in _left_out(summary.findings, excluded)),
    }.items():
        with replacing(out / name) as partial:
            partial.write_text(text, encoding="utf-8", errors=ODD_NAMES, newline="\n")


def by_kind(findings: Iterable[Finding]) -> dict[str, list[Finding]]:
    """Return findings by kind, in the order of KINDS."""
    found: dict[str, list[Finding]] = {kind: [] for kind in KINDS}
    for finding in findings:
        found[finding.kind].append(finding)
    return {kind: own for kind, own in found.items() if own}


def _lines(summary: Summary, title: str) -> Iterator[str]:
    found = by_kind(summary.findings)
    numbers = ", ".join(f"{number:,} of {split}" for split, number in summary.num_videos.items())
    yield from ("# Check of videos", "", title, "", f"Videos on disk: {numbers or 'none'}.", "")
    if not found:
        yield "Nothing was found that would stop or distort a run."
        return
    yield from ("| kind | number | a run | what to do |", "| --- | --- | --- | --- |")
    for name, own in found.items():
        yield f"| {name} | {len(own):,} | {KINDS[name].weight} | {KINDS[name].advice} |"
    for name, own in found.items():
        yield from ("", f"## {name[0].upper()}{name[1:]} ({len(own):,})", "")
        for finding in own[:_MOST_SHOWN]:
            yield f"- {' '.join(filter(None, (finding.split, _code(finding.video))))}: {_plain(finding.words)}"
        if len(own) > _MOST_SHOWN:
            yield f"- ... and {len(own) - _MOST_SHOWN:,} more: check.csv"


def _code(text: str) -> str:
    return f"`{_plain(text).replace('`', chr(39))}`" if text else ""


def _plain(text: str) -> str:
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _left_out(findings: Iterable[Finding], excluded: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a file for data.exclude; names that can't stand in one are said there."""
    yield "# Videos to leave out: --data.exclude FILE. Take out of here what you want to keep"
    seen = set()
    for name in dict.fromkeys(excluded):
        seen.add(name)
        yield name
    kinds: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if KINDS[finding.kind].leaves_out and finding.path and finding.path not in seen:
            seen.add(finding.path)
            kinds[finding.kind].append(finding.path)
    for kind, names in kinds.items():
        is_guess = KINDS[kind].is_guess
        yield f"# {kind}: {len(names):,}{', to look at: take the # away from those to leave out' if is_guess else ''}"
        for name in names:
            line = name if _is_line(name) else f"# can't stand in a list: {_plain(name)}"
            yield f"# {line}" if is_guess else line


def _is_line(name: str) -> bool:
    try:
        return Lines.of(name, file=Path()).texts == [name] and bool(name.encode())
    except UnicodeEncodeError:
        return False

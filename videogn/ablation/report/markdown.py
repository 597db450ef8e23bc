"""The report as Markdown, as GitHub shows it; plain text stays plain text, whatever it holds."""

import html
import re
from collections.abc import Sequence

from videogn.ablation.report.document import (
    Block,
    Bullets,
    Code,
    Details,
    Document,
    Facts,
    Notice,
    Paragraph,
    Picture,
    Table,
)

# What Markdown could take for markup; an underscore only where it does not stand within a word.
_MARKUP = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def markdown_of(document: Document) -> str:
    """Return the report as Markdown."""
    parts = [f"# {_escaped(document.title)}", _escaped(document.lead)]
    parts += [_block(notice) for notice in document.notices]
    for section in document.sections:
        parts += [f"## {_escaped(section.title)}", *map(_block, section.blocks)]
    return "\n\n".join(parts) + "\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return _escaped(block.text)
        case Bullets():
            return "\n".join(f"- {_escaped(item)}" for item in block.items)
        case Facts():
            return "\n".join(f"- **{_escaped(term)}:** {_escaped(text)}" for term, text in block.items)
        case Notice():
            return f"> **{_escaped(block.head)}:** {_escaped(block.text)}"
        case Picture():
            return f"![{_escaped(block.description)}]({block.name})\n\n{_escaped(block.caption)}"
        case Code():
            # Indented, not fenced: whatever a log holds, it cannot end the block.
            return "\n".join(f"    {line}" for line in block.lines)
        case Details():
            inner = "\n\n".join(map(_block, block.blocks))
            return f"<details><summary>{_one_line(html.escape(block.summary))}</summary>\n\n{inner}\n\n</details>"
        case Table():
            table = _table(block)
            return f"{table}\n\n{_escaped(block.caption)}" if block.caption else table


def _table(table: Table) -> str:
    head = [column.head for column in table.columns]
    rule = ["---:" if column.align == "right" else "---" for column in table.columns]
    lines = [_line([_escaped(text) for text in head]), _line(rule)]
    return "\n".join([*lines, *(_line([_escaped(text) for text in row]) for row in table.rows)])


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def _escaped(text: str) -> str:
    """Return text that opens no markup and no HTML, and ends no line."""
    return _MARKUP.sub(r"\\\g<0>", _one_line(html.escape(text, quote=False)))


def _one_line(text: str) -> str:
    return " ".join(text.split())

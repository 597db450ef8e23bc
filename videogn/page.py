"""Markdown that shows what it is given, whatever that holds, and the same Markdown as one web page.

Documents are written once, as Markdown for GitHub and editors. The page is that Markdown through markdown-it with one
style sheet (page.css), its pictures inside it: it needs no network, no script and no file beside it. On the page,

- a paragraph that is emphasised as a whole is a note: captions and asides;
- a block quote is a notice that must not be overlooked;
- entries of a table that are strong name their row; of rows with two names, a new first one begins a group.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

# What Markdown could take for markup; an underscore only where it does not stand within a word.
_MARKUP = re.compile(r"[\\`*\[\]|~$#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
# What could begin a list, a rule or an underline where a line begins.
_BLOCK = re.compile(r"^(\d{0,9})(?=[-+=.)])")
# An entry of a table that is longer may be broken into lines.
_LONG_ENTRY = 48


@dataclass(frozen=True)
class Column:
    """A column of a table; is_name: its entries name the rows."""

    head: str
    is_text: bool = False
    is_name: bool = False


@dataclass(frozen=True)
class Table:
    """A table of plain text, and what its figures are."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


def text(words: str) -> str:
    """Return words as Markdown that opens no markup and no HTML, and ends no line."""
    return _MARKUP.sub(r"\\\g<0>", html.escape(" ".join(words.split()), quote=False))


def paragraph(words: str) -> str:
    """Return words as a paragraph, or as an item of a list."""
    return _BLOCK.sub(r"\1\\", text(words))


def note(words: str) -> str:
    """Return a paragraph that is less loud: a caption or an aside."""
    return f"*{text(words)}*"


def notice(head: str, words: str) -> str:
    """Return what must not be overlooked: a head such as WARNING, and a sentence."""
    return f"> **{text(head)}:** {text(words)}"


def bullets(items: Iterable[str]) -> str:
    """Return a list."""
    return "\n".join(f"- {paragraph(item)}" for item in items)


def facts(items: Iterable[tuple[str, str]]) -> str:
    """Return a list of terms and what stands behind each."""
    return "\n".join(f"- **{text(term)}:** {text(words)}" for term, words in items)


def code(lines: Iterable[str]) -> str:
    """Return lines as they are; indented, not fenced: whatever a log holds, it cannot end the block."""
    return "\n".join(f"    {line}" for line in lines)


def details(summary: str, *blocks: str) -> str:
    """Return blocks that are folded away behind a line."""
    inner = "\n\n".join(blocks)
    return f"<details><summary>{html.escape(' '.join(summary.split()))}</summary>\n\n{inner}\n\n</details>"


def picture(name: str, *, description: str, caption: str) -> str:
    """Return a picture of the document's folder: its file, what is to be seen in words, and what stands below it."""
    return f"![{text(description)}]({name})\n\n{note(caption)}"


def table(content: Table) -> str:
    """Return a table, its caption below it."""
    rule = ["---" if column.is_text or column.is_name else "---:" for column in content.columns]
    lines = [_line([text(column.head) for column in content.columns]), _line(rule)]
    for row in content.rows:
        entries = [(column.is_name, text(entry)) for column, entry in zip(content.columns, row, strict=True)]
        lines.append(_line([f"**{entry}**" if is_name and entry else entry for is_name, entry in entries]))
    return "\n".join(lines) + (f"\n\n{note(content.caption)}" if content.caption else "")


def _line(entries: Sequence[str]) -> str:
    return f"| {' | '.join(entries)} |"


def page_of(markdown: str, *, title: str, pictures: Mapping[str, bytes]) -> str:
    """Return a document as a web page.

    Args:
        markdown: The document; HTML in it is kept, so all that is not ours must have come through `text`.
        title: Of the page.
        pictures: By the names under which the document shows them: JPEG where a name ends in .jpg, else SVG.
    """
    parser = MarkdownIt("commonmark").enable("table")
    body = parser.renderer.render(_dressed(parser.parse(markdown), pictures), parser.options, {})
    style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _dressed(tokens: Sequence[Token], pictures: Mapping[str, bytes]) -> list[Token]:
    """Return a document's tokens with what the style sheet and screen readers go by."""
    dressed: list[Token] = []
    group = None  # first name of the row before
    for place, token in enumerate(tokens):
        after = tokens[place + 1] if place + 1 < len(tokens) else token
        match token.type:
            case "blockquote_open":
                token.attrs = {"class": "notice", "role": "note"}
            case "code_block":
                token.attrSet("tabindex", "0")
            case "paragraph_open" if _is_whole(after, "em"):
                token.attrSet("class", "note")
            case "paragraph_open" if _is_whole(after, "image"):
                (image,) = [child for child in after.children or () if child.type == "image"]
                name = str(image.attrs["src"])
                kind = "jpeg" if name.endswith(".jpg") else "svg+xml"
                image.attrs["src"] = f"data:image/{kind};base64,{base64.b64encode(pictures[name]).decode()}"
                token.attrs = _region(f"Figure {name}")
                if kind == "jpeg":
                    token.attrJoin("class", "photo")
            case "table_open":
                group, heads = None, [each.content for each in tokens[place:] if each.type == "inline"][:3]
                dressed.append(Token("region_open", "div", 1, attrs=_region(f"Table: {', '.join(heads)}"), block=True))
            case "th_open":
                token.attrSet("scope", "col")
            case "tr_open" if all(_is_whole(each, "strong") for each in _entries(tokens[place:])[:2]):
                first = tokens[place + 2].content
                if group not in (None, first):
                    token.attrSet("class", "break")
                group = first
            case "td_open":
                if len(after.content) > _LONG_ENTRY:
                    token.attrJoin("class", "long")
                if _is_whole(after, "strong"):
                    token.tag = tokens[place + 2].tag = "th"
                    token.attrSet("scope", "row")
            case "inline":
                for child in token.children or ():
                    if child.type == "text":  # a figure and its unit on one line
                        child.content = child.content.replace(" %", "\xa0%").replace(" ± ", "\xa0±\xa0")
        dressed.append(token)
        if token.type == "table_close":
            dressed.append(Token("region_close", "div", -1, block=True))
    return dressed


def _region(label: str) -> dict[str, str | int | float]:
    """Return the attributes of what may be wider than the page, and scrolls."""
    return {"class": "scroll", "tabindex": "0", "role": "group", "aria-label": label}


def _entries(tokens: Sequence[Token]) -> list[Token]:
    """Return the entries of the row that the tokens begin with."""
    end = next(place for place, token in enumerate(tokens) if token.type == "tr_close")
    return [token for token in tokens[:end] if token.type == "inline"]


def _is_whole(inline: Token, kind: str) -> bool:
    """Return whether a line is one element and nothing beside it."""
    children = [child for child in inline.children or () if child.type != "text" or child.content]
    if kind == "image":
        return [child.type for child in children] == ["image"]
    ends = [place for place, child in enumerate(children) if child.type == f"{kind}_close"]
    return bool(children) and children[0].type == f"{kind}_open" and ends == [len(children) - 1]

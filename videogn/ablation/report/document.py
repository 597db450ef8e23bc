"""The report as a value: sections of blocks, all text plain; Markdown and HTML are two ways to write it down."""

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Column:
    """A column of a table; is_head: its entries name the rows."""

    head: str
    align: Literal["left", "right"] = "right"
    is_head: bool = False


@dataclass(frozen=True)
class Table:
    """A table of plain text.

    Args:
        columns: Its columns.
        rows: Its entries.
        caption: What its figures are.
        breaks: Rows before which a group begins.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""
    breaks: frozenset[int] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Paragraph:
    """Running text; is_aside: a note that is less loud."""

    text: str
    is_aside: bool = False


@dataclass(frozen=True)
class Bullets:
    """A list; is_main: the sentences that the report is read for."""

    items: tuple[str, ...]
    is_main: bool = False


@dataclass(frozen=True)
class Facts:
    """Terms and what stands behind each."""

    items: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Notice:
    """What must not be overlooked: a head such as WARNING, and the sentence."""

    head: str
    text: str
    is_loud: bool


@dataclass(frozen=True)
class Picture:
    """A figure in the study's folder.

    Args:
        name: File name of its PNG; of its SVG with the ending .svg.
        description: What is to be seen, for who does not see it.
        caption: What stands below it.
        svg: The SVG.
    """

    name: str
    description: str
    caption: str
    svg: bytes


@dataclass(frozen=True)
class Code:
    """Lines as they are."""

    lines: tuple[str, ...]


@dataclass(frozen=True)
class Details:
    """Blocks that are folded away behind a line."""

    summary: str
    blocks: tuple["Block", ...]


Block = Table | Paragraph | Bullets | Facts | Notice | Picture | Code | Details


@dataclass(frozen=True)
class Section:
    """Blocks under a heading."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Document:
    """The report.

    Args:
        title: Its heading.
        lead: One line below it.
        status: How much of the study there is.
        is_complete: Whether that is all.
        notices: What must not be overlooked.
        sections: The rest.
    """

    title: str
    lead: str
    status: str
    is_complete: bool
    notices: tuple[Notice, ...]
    sections: tuple[Section, ...]

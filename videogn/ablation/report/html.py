"""The report as one page that needs nothing beside it: no network, no script."""

import html
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
    Section,
    Table,
)
from videogn.ablation.report.style import STYLE
from videogn.ablation.report.svg import inline_svg

# An entry of a table that is longer may be broken into lines.
_LONG_ENTRY = 48
_LONG_HEAD = 16


def html_of(document: Document) -> str:
    """Return the report as a page."""
    title, lead = _text(document.title), _text(document.lead)
    status = _text(document.status if document.is_complete else f"Partial: {document.status}")
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        "</head>",
        "<body>",
        "<main>",
        "<header>",
        f"<h1>{title}</h1>",
        f'<p class="lead">{lead}</p>',
        f'<p class="status">{status}</p>',
        "</header>",
        *map(_notice, document.notices),
        *(_section(section, number=number) for number, section in enumerate(document.sections)),
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _section(section: Section, *, number: int) -> str:
    head = f'<section aria-labelledby="section-{number}">\n<h2 id="section-{number}">{_text(section.title)}</h2>'
    return "\n".join([head, *map(_block, section.blocks), "</section>"])


def _block(block: Block) -> str:
    match block:
        case Paragraph():
            return f"<p{_class('aside' if block.is_aside else '')}>{_text(block.text)}</p>"
        case Bullets():
            items = "\n".join(f"<li>{_text(item)}</li>" for item in block.items)
            return f"<ul{_class('main' if block.is_main else '')}>\n{items}\n</ul>"
        case Facts():
            items = "\n".join(f"<dt>{_text(t)}</dt><dd>{_text(text)}</dd>" for t, text in block.items)
            return f"<dl>\n{items}\n</dl>"
        case Notice():
            return _notice(block)
        case Picture():
            return _picture(block)
        case Code():
            lines = html.escape("\n".join(block.lines))
            return f'<pre tabindex="0"><code>{lines}</code></pre>'
        case Details():
            inner = "\n".join(map(_block, block.blocks))
            return f"<details>\n<summary>{_text(block.summary)}</summary>\n{inner}\n</details>"
        case Table():
            return _table(block)


def _notice(notice: Notice) -> str:
    loud = " loud" if notice.is_loud else ""
    return f'<p class="notice{loud}" role="note"><strong>{_text(notice.head)}</strong> {_text(notice.text)}</p>'


def _picture(picture: Picture) -> str:
    stem = picture.name.removesuffix(".png")
    svg = inline_svg(picture.svg, prefix=stem, description=picture.description)
    return (
        f'<figure>\n<div class="scroll" tabindex="0" role="group" aria-label="Figure {_text(stem)}">\n{svg}\n</div>\n'
        f"<figcaption>{_text(picture.caption)}</figcaption>\n</figure>"
    )


def _table(table: Table) -> str:
    heads = "".join(
        f'<th scope="col"{_class(column.align + " wrap" * (len(column.head) > _LONG_HEAD))}>{_text(column.head)}</th>'
        for column in table.columns
    )
    rows = "\n".join(_row(table, row, is_break=place in table.breaks) for place, row in enumerate(table.rows))
    caption = f"\n<figcaption>{_text(table.caption)}</figcaption>" if table.caption else ""
    label = _text(", ".join(column.head for column in table.columns[:3]))
    return (
        f'<figure>\n<div class="scroll" tabindex="0" role="group" aria-label="Table: {label} and more">\n<table>\n'
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>\n</div>{caption}\n</figure>"
    )


def _row(table: Table, row: Sequence[str], *, is_break: bool) -> str:
    entries = []
    for column, text in zip(table.columns, row, strict=True):
        classes = f"{column.align} long" if len(text) > _LONG_ENTRY else column.align
        tag = 'th scope="row"' if column.is_head else "td"
        entries.append(f"<{tag}{_class(classes)}>{_text(text)}</{tag.split()[0]}>")
    return f"<tr{_class('break' if is_break else '')}>{''.join(entries)}</tr>"


def _text(text: str) -> str:
    """Return text that opens no markup, a figure and its unit on one line."""
    return html.escape(text).replace(" %", "&nbsp;%").replace(" ± ", "&nbsp;±&nbsp;")


def _class(names: str) -> str:
    names = " ".join(name for name in names.split() if name != "right")
    return f' class="{names}"' if names else ""

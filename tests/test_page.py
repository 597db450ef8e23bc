"""Markdown that shows what it is given, and the page made of it."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn import page

TABLE = page.Table(
    (page.Column("norm", is_name=True), page.Column("clips", is_name=True), page.Column("top-1 %"), page.Column("why")),
    (("GN", "8", "75.0 ± 1.0", ""), ("GN", "4", "75", "x" * 60), ("BN", "8", "-", "a|b")),
    "Means, sd.",
)


def body(markdown: str, **pictures: bytes) -> str:
    whole = page.page_of(markdown, title="t", pictures={f"{name}.png": svg for name, svg in pictures.items()})
    return whole[whole.index("<main>\n") + 7 : whole.index("</main>")]


def shown(markdown: str) -> str:
    """The text that a reader sees, spaces as one."""
    return " ".join(html.unescape(re.sub(r"<[^>]*>", "", body(markdown))).split())


# Characters that Markdown or HTML could take for markup, and some that they could not.
WORDS = st.text(alphabet="ab1. )(#+-*_`~|<>[]!&;:$\\\"'/=x\n%±ü", min_size=1, max_size=30)


@given(WORDS)
def test_words_are_shown_as_they_are_wherever_they_stand(words):
    expected = " ".join(words.split())
    assert shown(page.paragraph(words)) == expected
    assert shown(f"# {page.text(words)}") == expected
    assert shown(page.bullets([words])) == expected
    assert shown(page.note(f"{words} end")) == f"{expected} end".strip()
    assert shown(page.notice("HEAD", words)) == f"HEAD: {expected}".strip()
    assert shown(page.details(words, "")) == expected
    cells = page.Table((page.Column("a", is_name=True), page.Column("b")), ((words, words),))
    assert shown(page.table(cells)) == f"a b {expected} {expected}".strip()


@given(st.lists(st.text(alphabet="`~<>/ codepr#-", max_size=12), min_size=1, max_size=4))
def test_code_cannot_end_its_block(lines):
    lines = ["first", *lines, "last"]
    found = re.fullmatch(r'<pre tabindex="0"><code>(.*?)</code></pre>\n', body(page.code(lines)), flags=re.DOTALL)
    assert found is not None
    assert [line.rstrip() for line in html.unescape(found[1]).splitlines()] == [line.rstrip() for line in lines]


def test_a_table_has_names_of_rows_groups_and_a_box_that_scrolls():
    found = body(page.table(TABLE))
    opening = '<div class="scroll" tabindex="0" role="group" aria-label="Table: norm, clips, top-1 %">'
    assert found.startswith(opening)
    assert found.count('scope="col"') == 4
    assert found.count('scope="row"><strong>') == 6
    assert [row.startswith(' class="break"') for row in found.split("<tr")[2:]] == [False, False, True]
    assert 'class="long"' in found
    assert "75.0\xa0±\xa01.0" in found
    assert found.count("<table>") == found.count("</table>") == 1
    assert '<p class="note"><em>Means, sd.</em></p>' in found


def test_pictures_are_in_the_page_and_notices_are_marked():
    found = body(page.picture("a.png", description="a <b> [c]", caption="below *it*"), a=b"<svg/>")
    assert 'src="data:image/svg+xml;base64,PHN2Zy8+"' in found
    assert 'alt="a &lt;b&gt; [c]"' in found
    photo = page.page_of(page.picture("a.jpg", description="d", caption="c"), title="t", pictures={"a.jpg": b"<svg/>"})
    assert 'class="scroll photo" ' in photo
    assert 'src="data:image/jpeg;base64,PHN2Zy8+"' in photo
    assert "below *it*" in found
    assert '<blockquote class="notice" role="note">' in body(page.notice("WARNING", "x"))
    with pytest.raises(KeyError):
        body(page.picture("b.png", description="", caption="c"))

"""A figure's SVG as a part of a page: no identifier twice, and colours that follow the page's light and dark."""

import html
import re

from videogn.ablation.report.drawing import CATEGORIES, GRID, GROUND, INK, MUTED, ORDERED

# Colour of the files -> the page's variable (html.py gives each a value for light and for dark).
VARIABLES = {
    INK: "--ink",
    MUTED: "--muted",
    GRID: "--grid",
    GROUND: "--ground",
    **{colour: f"--category-{place}" for place, colour in enumerate(CATEGORIES)},
    **{colour: f"--ordered-{place}" for place, colour in enumerate(ORDERED)},
}


def inline_svg(svg: bytes, *, prefix: str, description: str) -> str:
    """Return an SVG to stand in a page.

    Args:
        svg: The file, as matplotlib writes it.
        prefix: Of its identifiers; another for each figure of a page.
        description: For who does not see it.
    """
    text = svg.decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"<style[^>]*>.*?</style>", "", text, flags=re.DOTALL)
    # Groups are named by no one; what is referred to keeps a name.
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    text = re.sub(r' id="([^"]+)"', lambda m: f' id="{prefix}-{m[1]}"' if m[1] in used else "", text)
    text = re.sub(r"url\(#", f"url(#{prefix}-", text)
    text = re.sub(r'(?:xlink:)?href="#', f'href="#{prefix}-', text)
    for colour, variable in VARIABLES.items():
        text = re.sub(re.escape(colour), f"var({variable})", text, flags=re.IGNORECASE)
    # The page's type, not matplotlib's: sizes stay.
    text = re.sub(r"font: ((?:[a-z0-9]+ )*?)([0-9.]+px) [^;\"]*", r"font-size: \2; \1", text)
    text = re.sub(r"font-size: ([0-9.]+px); (?:bold|700) ", r"font-size: \1; font-weight: 650", text)
    text = re.sub(r'<svg[^>]*viewBox="([^"]+)"[^>]*>', r'<svg viewBox="\1" role="img">', text, count=1)
    return text.replace(">", f"><title>{html.escape(description)}</title>", 1)

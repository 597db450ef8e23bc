"""The page's look: one column of text, figures and tables that scroll in their own box; light, dark, and on paper."""

from videogn.ablation.report.drawing import CATEGORIES, GRID, GROUND, INK, MUTED, ORDERED

_CATEGORIES_DARK = ("#58b4f0", "#ff8f4a", "#3fcf9f", "#f08cc8", "#e0b648", "#8fd0ff", "#b9a6f0")
_ORDERED_DARK = ("#8f83ff", "#bb7bf0", "#e878c0", "#ff9a8a", "#ffd08a")


def _variables(
    ink: str, muted: str, grid: str, ground: str, categories: tuple[str, ...], ordered: tuple[str, ...]
) -> str:
    own = {"ink": ink, "muted": muted, "grid": grid, "ground": ground}
    own |= {f"category-{place}": colour for place, colour in enumerate(categories)}
    own |= {f"ordered-{place}": colour for place, colour in enumerate(ordered)}
    return " ".join(f"--{name}: {colour};" for name, colour in own.items())


_LIGHT = _variables(INK, MUTED, GRID, GROUND, CATEGORIES, ORDERED)
_DARK = _variables("#e9ebef", "#a3a9b5", "#333842", "#14171c", _CATEGORIES_DARK, _ORDERED_DARK)

STYLE = f"""
:root {{ color-scheme: light dark; {_LIGHT} --raised: #f5f6f8; --shade: #00000026; --accent: #0b5c96; --alarm: #a3230f;
  --alarm-ground: #fdf1ee; --caution: #7a5200; --caution-ground: #fdf6e3; }}
@media (prefers-color-scheme: dark) {{
  :root {{ {_DARK} --raised: #1c2027; --shade: #000000b0; --accent: #7cc0f4; --alarm: #ff9c88; --alarm-ground: #34201d;
    --caution: #f0c872; --caution-ground: #2e2817; }}
}}
* {{ box-sizing: border-box; }}
html {{ -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }}
body {{ margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.6 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Liberation Sans", sans-serif; }}
main {{ max-width: 66rem; margin: 0 auto; padding: 3.5rem 1.25rem 5rem; }}
h1 {{ font-size: clamp(1.6rem, 1.2rem + 2vw, 2.3rem); line-height: 1.15; letter-spacing: -0.02em; margin: 0 0 .6rem;
  max-width: 24em; text-wrap: balance; overflow-wrap: anywhere; }}
h2 {{ font-size: 1.2rem; line-height: 1.3; letter-spacing: -0.01em; margin: 3rem 0 .9rem; padding-top: .9rem;
  border-top: 1px solid var(--grid); }}
p, ul, dl {{ margin: 0 0 1rem; max-width: 44rem; overflow-wrap: anywhere; }}
a {{ color: var(--accent); }}
.lead {{ color: var(--muted); margin-bottom: .9rem; }}
.status {{ display: inline-block; font-size: .85rem; font-weight: 600; padding: .15rem .7rem; border-radius: 1rem;
  background: var(--raised); border: 1px solid var(--grid); margin: 0 0 1.5rem; }}
.aside {{ color: var(--muted); font-size: .9rem; line-height: 1.55; }}
.notice {{ max-width: none; padding: .7rem 1rem; border-left: .25rem solid var(--caution); border-radius: .2rem;
  background: var(--caution-ground); font-size: .95rem; }}
.notice strong {{ color: var(--caution); letter-spacing: .03em; font-size: .85rem; }}
.notice.loud {{ border-color: var(--alarm); background: var(--alarm-ground); }}
.notice.loud strong {{ color: var(--alarm); }}
ul {{ padding-left: 1.1rem; }}
li {{ margin: .25rem 0; }}
ul.main {{ font-size: 1.08rem; max-width: 56rem; }}
dl {{ display: grid; grid-template-columns: minmax(8rem, max-content) 1fr; gap: .3rem 1.2rem; }}
dt {{ color: var(--muted); }}
dd {{ margin: 0; min-width: 0; }}
figure {{ margin: 0 0 1.6rem; }}
/* A shadow at the side where there is more to see. */
.scroll {{ overflow-x: auto; max-width: 100%; background:
  linear-gradient(90deg, var(--ground) 40%, transparent) 0 0 / 2.5rem 100% no-repeat local,
  linear-gradient(270deg, var(--ground) 40%, transparent) 100% 0 / 2.5rem 100% no-repeat local,
  linear-gradient(90deg, var(--shade), transparent) 0 0 / .8rem 100% no-repeat scroll,
  linear-gradient(270deg, var(--shade), transparent) 100% 0 / .8rem 100% no-repeat scroll; }}
.scroll:focus-visible, summary:focus-visible {{ outline: 2px solid var(--accent); outline-offset: 2px; }}
figure svg {{ display: block; width: 100%; min-width: 26rem; max-width: 44rem; height: auto; }}
figure svg * {{ stroke-linejoin: round; stroke-linecap: butt; }}
figure svg text {{ font-family: inherit; }}
figcaption {{ color: var(--muted); font-size: .85rem; line-height: 1.5; margin-top: .5rem; max-width: 50rem; }}
table {{ border-collapse: collapse; font-size: .9rem; line-height: 1.4; font-variant-numeric: tabular-nums; }}
th, td {{ text-align: right; white-space: nowrap; padding: .38rem .95rem .38rem 0;
  border-bottom: 1px solid var(--grid); }}
th:last-child, td:last-child {{ padding-right: .3rem; }}
.left {{ text-align: left; }}
thead th {{ font-weight: 600; color: var(--muted); font-size: .82rem; vertical-align: bottom;
  border-bottom: 1.5px solid var(--muted); }}
th.wrap {{ white-space: normal; }}
tbody th {{ font-weight: 600; }}
tr.break th, tr.break td {{ border-top: 1.5px solid var(--grid); }}
td.long {{ white-space: normal; min-width: 16rem; max-width: 34rem; overflow-wrap: anywhere; }}
pre {{ margin: 0 0 1rem; padding: .8rem 1rem; background: var(--raised); border-radius: .35rem; font-size: .82rem;
  line-height: 1.55; overflow-x: auto; }}
code, pre {{ font-family: ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; }}
details {{ margin: 0 0 1rem; max-width: 100%; }}
summary {{ cursor: pointer; overflow-wrap: anywhere; margin-bottom: .4rem; }}
@media (max-width: 34rem) {{
  main {{ padding: 1.75rem 1rem 3rem; }}
  h2 {{ margin-top: 2.2rem; }}
  dl {{ grid-template-columns: 1fr; gap: 0; }}
  dd {{ margin-bottom: .5rem; }}
}}
@media print {{
  :root {{ {_LIGHT} color-scheme: light; }}
  body {{ font-size: 10pt; }}
  main {{ max-width: none; padding: 0; }}
  h2 {{ break-after: avoid; }}
  figure, tr, .notice {{ break-inside: avoid; }}
  .scroll {{ overflow: visible; }}
  figure svg {{ min-width: 0; max-width: 34rem; }}
  table {{ font-size: 7.5pt; }}
  th, td {{ padding-right: .5rem; white-space: normal; }}
  pre {{ white-space: pre-wrap; overflow-wrap: anywhere; }}
}}
"""

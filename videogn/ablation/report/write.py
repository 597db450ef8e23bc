"""The report's files, from a study's folder alone: report.md, .html, .csv, .json, and figures as PNG and SVG."""

from pathlib import Path

from videogn.ablation.report.content import document_of
from videogn.ablation.report.curves_figure import draw_curves
from videogn.ablation.report.error_figure import draw_error
from videogn.ablation.report.html import html_of
from videogn.ablation.report.markdown import markdown_of
from videogn.ablation.report.material import gather
from videogn.ablation.report.records import report_csv, report_json
from videogn.files import replacing

_FILES = (
    *("report.html", "report.md", "report.csv", "report.json"),
    *(f"{name}{suffix}" for name in ("error", "curves") for suffix in (".png", ".svg")),
)
# Where a report goes that the results no longer support.
_EARLIER = "earlier-report"


class MixedResults(ValueError):
    """Results that must not stand in one table: of different data, starts, protocols or code."""


def write_report(out: Path, *, mixed: bool = False) -> dict[str, Path]:
    """Write the report of a study, whole or partial, each file in one stroke.

    Args:
        out: The study's folder.
        mixed: Report results that are not comparable, too: with loud warnings, and no mean over them.

    Returns:
        The files written: "html", "markdown", "csv", "json", "error" and "curves" (PNG), "error_svg" and "curves_svg";
        no figure where there is nothing to draw.

    Raises:
        MixedResults: There are such results and `mixed` is not set; nothing was written, and an earlier report, which
            does not say what the folder holds now, was moved to OUT/earlier-report.
        ValueError: The folder holds no study.
    """
    material = gather(out)
    if material.mixture and not mixed:
        moved = f" The earlier report was moved to {out / _EARLIER}." if _set_aside(out) else ""
        raise MixedResults(
            f"{out}: results that must not stand in one table. {' '.join(material.mixture)} Run those cells anew "
            f"(delete their folders), use another --out, or report them as they are with --mixed.{moved}"
        )
    drawings = {"error": draw_error(material), "curves": draw_curves(material)}
    document = document_of(material, error=drawings["error"], curves=drawings["curves"])
    paths = {}
    for name, drawing in drawings.items():
        for suffix, key in ((".png", name), (".svg", f"{name}_svg")):
            path = out / f"{name}{suffix}"
            if drawing is None:
                path.unlink(missing_ok=True)
            else:
                with replacing(path) as partial:
                    partial.write_bytes(drawing.png if suffix == ".png" else drawing.svg)
                paths[key] = path
    for key, path, text in (
        ("csv", out / "report.csv", report_csv(material)),
        ("json", out / "report.json", report_json(material)),
        ("markdown", out / "report.md", markdown_of(document)),
        ("html", out / "report.html", html_of(document)),
    ):
        with replacing(path) as partial:
            partial.write_bytes(text.encode())
        paths[key] = path
    return paths


def _set_aside(out: Path) -> bool:
    """Move the report's files out of the way, in the place of those moved before; return whether there were any."""
    found = [name for name in _FILES if (out / name).exists()]
    if found:
        (out / _EARLIER).mkdir(exist_ok=True)
        for name in _FILES:
            (out / _EARLIER / name).unlink(missing_ok=True)
        for name in found:
            (out / name).replace(out / _EARLIER / name)
    return bool(found)

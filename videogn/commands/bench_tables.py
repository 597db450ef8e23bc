"""The tables that `videogn bench data` prints."""

from __future__ import annotations

import math
from typing import Any

from videogn.commands.usage import table_console

LONGEST_ERROR = 80


def print_tables(figures: dict[str, Any]) -> None:
    """Print all that was measured; see `videogn.tools.bench.sections` for the rows."""
    from rich.table import Table

    console = table_console()
    titles = {
        "frames": (
            "frames of a clip",
            "bytes as videogn's",
            lambda row: _figure(100 * row["same_bytes"], 0, " % of clips"),
        ),
        "samples": ("training sample", "from videogn's", lambda row: _figure(row["mean_difference"], 1, " levels")),
        "training": (
            "setting of training",
            "clips a second, by videogn's",
            lambda row: _figure(row["clips"] / row["ratio"], 2),
        ),
        "tests": (f"test of a video, {figures['settings']['protocol']}", "", lambda row: ""),
        "prepared": (
            "sample of a file",
            "bytes, from the original",
            lambda row: f"{row['bytes'] / 1e6:.1f} MB, {row['mean_difference']:.1f} levels",
        ),
    }
    for section, (title, extra, show) in titles.items():
        if section not in figures:
            continue
        table = Table(title, "median ms", "a second", "ratio", extra, "rounds", "failed")
        for row in figures[section]:
            error = f": {row['error']}" if row["error"] else ""
            table.add_row(
                row["name"],
                _figure(1e3 * row["median_seconds"], 1),
                _figure(row["per_second"], 1),
                _figure(row["ratio"], 2),
                show(row),
                str(row["rounds"]),
                f"{row['failed']}{error}"[:LONGEST_ERROR] if row["error"] else "",
            )
        console.print(table)
    stages = Table("videogn's time", "ms", "share")
    for row in figures["stages"]:
        stages.add_row(row["name"], f"{1e3 * row['median_seconds']:.1f}", f"{100 * row['share']:.0f} %")
    if figures["stages"]:
        console.print(stages)
    loaders = Table("loader workers", "clips a second", "seconds to the first batch")
    for row in figures["loaders"]:
        loaders.add_row(
            str(row["num_workers"]), f"{row['clips_per_second']:.1f}", f"{row['seconds_to_first_batch']:.2f}"
        )
    console.print(loaders)
    print(f"{figures['num_videos']} videos; one core of {figures['machine']['processor']}")
    for path, reason in figures["left_out"].items():
        print(f"left out: {path}: {reason}")
    if figures["missing_packages"]:
        print(f"not installed, so not compared: {', '.join(figures['missing_packages'])}")


def _figure(value: float, digits: int, unit: str = "") -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}{unit}"

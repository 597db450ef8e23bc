"""A report's figures from the raw files of a study's runs, by NumPy and SciPy alone: nothing of videogn is imported.

By other ways than the package's where there are some: mean squares of an analysis of variance, Wilson's interval as the
roots of its equation, the noncentral t by a search, and Holm's procedure as what it stands for, a test of every
combination of hypotheses that may be true together.
"""

import csv
import json
import math
from pathlib import Path

import numpy as np
from scipy import optimize, stats

ALPHA = 0.05
CLAIMS = ("these_videos", "videos_like_them")


def read_run(folder: Path) -> tuple[dict, list[dict] | None]:
    """Return a run's result and its videos' rows; None for a run of an earlier version, which has none."""
    result = json.loads((folder / "result.json").read_text())
    if not (folder / "videos.csv").exists():
        return result, None
    with (folder / "videos.csv").open(newline="") as file:
        return result, list(csv.DictReader(file))


def right(runs: list[tuple[dict, list[dict] | None]], k: int) -> np.ndarray:
    """Return which videos are right among k, [S, n], 0 or 100; where that is not known, accuracies, [S, 1]."""
    if runs[0][1] is None:
        return np.array([[result[f"top{k}"]] for result, _ in runs])
    return np.array([[100.0 * (int(row["rank"]) < k) for row in rows] for _, rows in runs])


def spreads_of(x: np.ndarray, run: tuple[dict, list[dict] | None], num_summands: int) -> list[tuple]:
    """Return error, degrees of freedom and number of values: over seeds; and over seeds and groups of videos."""
    (result, rows), num_seeds = run, len(x)
    num_videos = result["num_videos_scored"]
    of_seeds = x.mean(axis=1)
    rounding = (100 / num_videos) ** 2 / 12 * num_summands
    by_seeds = max(of_seeds.var(ddof=1), rounding) / num_seeds
    if rows is None:
        return [(math.sqrt(by_seeds), num_seeds - 1, num_seeds * num_videos)]
    groups: dict = {}
    for place, row in enumerate(rows):
        groups.setdefault(row.get("group") or place, []).append(place)
    adds = np.array([(x[:, places] - x.mean()).mean(axis=0).sum() for places in groups.values()])
    num = len(groups)
    by_videos = num * (adds**2).sum() / (num - 1) / num_videos**2
    if num == num_videos:  # the mean square of videos over the number of values
        mean_square = num_seeds * x.mean(axis=0).var(ddof=1)
        assert math.isclose(by_videos, mean_square / x.size, abs_tol=1e-12)
    both = by_seeds + by_videos
    freedom = both**2 / (by_seeds**2 / (num_seeds - 1) + by_videos**2 / (num - 1))
    return [
        (math.sqrt(by_seeds), num_seeds - 1, num_seeds * num_videos),
        (math.sqrt(both), freedom, num),
    ]


def share_interval(mean: float, spreads) -> tuple[float, float]:
    """Return the shares that lie t errors from the mean, the error being that of the share itself."""
    ends = []
    for error, freedom, num in spreads:
        share, t = mean / 100, stats.t.ppf(1 - ALPHA / 2, freedom)
        values = share * (1 - share) / (error / 100) ** 2 if 0 < share < 1 else num

        def excess(other, share=share, t=t, values=values):
            return (share - other) ** 2 - t**2 * other * (1 - other) / values

        low = 0.0 if share == 0 else optimize.brentq(excess, 0, min(share, 1 - 1e-9))
        high = 1.0 if share == 1 else optimize.brentq(excess, max(share, 1e-9), 1)
        ends.append((low, high))
    return 100 * min(low for low, _ in ends), 100 * max(high for _, high in ends)


def intervals(mean: float, spreads) -> tuple[float, float]:
    """Return the widest symmetric interval."""
    found = [stats.t.interval(1 - ALPHA, freedom, loc=mean, scale=error) for error, freedom, _ in spreads]
    return min(low for low, _ in found), max(high for _, high in found)


def p_values(mean: float, spreads, bound: float | None) -> dict[str, float]:
    """Return p of no difference, and of one of the bound or more."""
    found = {"p": max(2 * stats.t.sf(abs(mean) / error, freedom) for error, freedom, _ in spreads)}
    if bound is not None:
        found["p_within"] = max(
            max(stats.t.sf((bound + mean) / error, freedom), stats.t.sf((bound - mean) / error, freedom))
            for error, freedom, _ in spreads
        )
    return found


def closed(family: list[dict[tuple[str, str], float]]) -> list[dict[tuple[str, str], float]]:
    """Return p-values adjusted by testing every combination of at most one hypothesis of each comparison."""
    num, least = np.zeros(()), np.full((), np.inf)  # an axis for each comparison: none of its hypotheses, or one
    for own in family:
        num = num[..., None] + np.array([0, *(1 for _ in own)])
        least = np.minimum(least[..., None], np.array([np.inf, *own.values()]))
    with np.errstate(invalid="ignore"):  # the empty combination
        p = np.minimum(1.0, num * least)
    return [
        {key: float(p.take(1 + place, axis=axis).max()) for place, key in enumerate(own)}
        for axis, own in enumerate(family)
    ]


def smallest_shown(error: float, freedom: float, num: int) -> float:
    """Return the true difference that is found with a power of 80 % at the level of one of so many comparisons."""
    t = stats.t.ppf(1 - ALPHA / num / 2, freedom)
    return error * optimize.brentq(lambda shift: stats.nct.sf(t, freedom, shift) - 0.8, 0, 3 * t + 10)


def recompute(out: Path) -> dict:
    """Return points, comparisons and interactions as report.json has them, from the folders of the runs."""
    report = json.loads((out / "report.json").read_text())
    bound = json.loads((out / "study.json").read_text())["equivalence"]
    axes = list(report["points"][0]["labels"])
    runs: dict[tuple, dict[int, tuple]] = {}
    by_folders: dict[tuple, dict[int, tuple]] = {}  # one for points that stand for the same runs
    folders: dict[tuple, dict[int, Path]] = {}
    for cell in report["cells"]:  # which folder is whose; nothing else
        folder = out / "cells" / (cell["same_as"] or cell["cell"])
        if (folder / "result.json").exists():
            folders.setdefault(tuple(cell[axis] for axis in axes), {})[cell["seed"]] = folder
    for levels, own in folders.items():
        read = by_folders.get(tuple(own.values())) or {seed: read_run(folder) for seed, folder in own.items()}
        runs[levels] = by_folders[tuple(own.values())] = read

    def of(labels: dict) -> dict[int, tuple]:
        return runs[tuple(labels[axis] for axis in axes)]

    points = []
    for each in report["points"]:
        own = list(of(each["labels"]).values())
        found = {}
        for k in (1, 5):
            x = right(own, k)
            spreads = spreads_of(x, own[0], 1)
            found[f"top{k}"] = {"mean": x.mean(), "deviation": x.mean(axis=1).std(ddof=1)}
            for place, claim in enumerate(CLAIMS[: len(spreads)]):
                ends = share_interval(x.mean(), spreads[: place + 1])
                found[f"top{k}"][claim] = dict(zip(("low", "high"), ends, strict=True))
        points.append(found)
    quadruples = [[(1, each["point"]), (-1, each["reference"])] for each in report["comparisons"]]
    for each in report["interactions"]:
        pairs = []
        for sign, size in ((1, each["largest_norm_batch_size"]), (-1, each["norm_batch_size"])):
            for level, other in ((each["level"], 1), (each["reference"], -1)):
                pairs.append((sign * other, {each["axis"]: level, "norm_batch_size": size}))
        quadruples.append(pairs)
    all_sides = [[(sign, of(labels)) for sign, labels in pairs] for pairs in quadruples]
    # The same runs twice: nothing is compared.
    num = sum(any(side is not sides[0][1] for _, side in sides) for sides in all_sides)
    comparisons, family = [], []
    for sides in all_sides:
        if all(side is sides[0][1] for _, side in sides):
            comparisons.append({"verdict": "same computation"})
            family.append({})
            continue
        seeds = [seed for seed in sides[0][1] if all(seed in side for _, side in sides)]
        x = sum(sign * right([side[seed] for seed in seeds], 1) for sign, side in sides)
        spreads = spreads_of(x, sides[0][1][seeds[0]], len(sides))
        found = {"mean": x.mean(), "deviation": x.mean(axis=1).std(ddof=1), "num_seeds": len(seeds)}
        ps = {}
        for place, claim in enumerate(CLAIMS[: len(spreads)]):
            own = p_values(x.mean(), spreads[: place + 1], bound)
            ps |= {(claim, name): p for name, p in own.items()}
            found[claim] = dict(zip(("low", "high"), intervals(x.mean(), spreads[: place + 1]), strict=True)) | own
        found["smallest_shown"] = smallest_shown(*spreads[0][:2], num)
        comparisons.append(found)
        family.append(ps)
    for found, adjusted in zip(comparisons, closed(family), strict=True):
        if not adjusted:
            continue
        for (claim, name), p in adjusted.items():
            found[claim][name.replace("p", "holm", 1)] = p
        shown = [
            name
            for name, key in (("apart", "holm"), ("within", "holm_within"))
            if found[CLAIMS[0]].get(key, 1) <= ALPHA
        ]
        found["verdict"] = shown[0] if shown else "open"
    split = len(report["comparisons"])
    return {"points": points, "comparisons": comparisons[:split], "interactions": comparisons[split:]}


def agree(report, own) -> None:
    """Check every number, text and null of `own` against the report's, to the digits that stand there."""
    for name, value in own.items():
        if isinstance(value, dict):
            agree(report[name], value)
        elif isinstance(value, float):
            assert math.isclose(report[name], value, rel_tol=2e-4, abs_tol=6e-5), (name, report[name], value)
        else:
            assert report[name] == value, (name, report[name], value)

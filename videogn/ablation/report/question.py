"""What a study asks, in words: what varies, what stays the same, the three batch sizes, and starts."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from videogn.ablation.axes import NORM_BATCH_SIZE, value_text
from videogn.ablation.cells import Cell, level_label
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.length import length_text, length_warning
from videogn.ablation.report.points import Point
from videogn.ablation.report.text import NORM_AXES, axis_words, level_words, point_words, protocol_text
from videogn.ablation.study import Study
from videogn.data.views.protocols import CLIP_POLICIES
from videogn.training.result import Result
from videogn.wording import listed

_SCRATCH = "scratch"
# Settings of what fixed-total holds (the beginnings of their names), and of the learning rate alone.
_RATE_SETTINGS = ("model.base_lr", "model.schedule.shape", "model.schedule.factor", "model.schedule.warmup")
_HELD_SETTINGS = (
    *("model.base_lr", "model.schedule", "trainer.max_", "trainer.min_", "trainer.limit_train_batches"),
    *("data.root", "data.train_list"),
)


def title_of(study: Study) -> str:
    """Return the study's title, or what it compares."""
    if study.title:
        return study.title
    varied = " × ".join(axis_words(axis.name) for axis in study.parsed_axes)
    return f"{varied[0].upper()}{varied[1:]}, {Path(study.base).stem}"


def asked_facts(study: Study, outcomes: Sequence[Outcome]) -> list[tuple[str, str]]:
    """Return what was asked; of the protocol, what the results say, where there are some."""
    items = [("runs", f"of the base config {study.base}")]
    for axis in study.parsed_axes:
        levels = [level_words(axis.name, level.label) for level in axis.levels]
        if any(dict(level.settings) != {axis.name: level.settings.get(axis.name)} for level in axis.levels):
            settings = [", ".join(f"{k} {value_text(v)}" for k, v in level.settings.items()) for level in axis.levels]
            levels = [f"{label} ({text})" for label, text in zip(levels, settings, strict=True)]
        items.append((axis_words(axis.name), ", ".join(levels)))
    items.append(("seeds", seeds_text(study, outcomes)))
    items.append(("baseline", point_words(study.baseline)))
    items.append(("protocol", _protocol_text(study, outcomes)))
    picked = (
        "the last of each run, so that nothing is picked by the videos that validate"
        if study.checkpoint == "last"
        else "the best of each run by its validation; where the tested videos validate too, that flatters"
    )
    items.append(("checkpoint", picked))
    if study.settings:
        items.append(("further settings", ", ".join(f"{k} {value_text(v)}" for k, v in study.settings.items())))
    return items


def seeds_text(study: Study, outcomes: Iterable[Outcome]) -> str:
    """Return the seeds, and the rule by which they were added where there is one."""
    text = ", ".join(dict.fromkeys(str(outcome.cell.seed) for outcome in outcomes))
    rule = study.seed_rule
    if rule is None:
        return text
    return f"{text} (from {rule.start}, until apart or within ± {rule.until:g} points, at most {rule.at_most})"


def what_stays(study: Study, outcomes: Sequence[Outcome]) -> str:
    """Return what the comparison keeps the same, as a sentence, and whether the results say otherwise."""
    if study.comparison == "fixed-total":
        return (
            "Comparison fixed-total: total batch, learning rate, number of updates and order of clips are the same in "
            f"every cell{_exceptions_text(study, _HELD_SETTINGS)}; only the clips that share batch statistics change "
            "with the normalisation batch (and the masks of dropout, where device batches differ)."
        )
    length = length_text(outcome.cell for outcome in outcomes)
    if any(length_warning(study, outcome) for outcome in outcomes):
        length += "; not all were that long, see the warnings"
    return (
        f"Comparison paper: as on {study.num_devices} devices that each hold one normalisation batch. The total batch "
        f"is the normalisation batch × {study.num_devices}, the learning rate is linear in it"
        f"{_exceptions_text(study, _RATE_SETTINGS)}, and the run's length {length}. Fewer devices accumulate their "
        "forwards; the computation is the same but for the masks of dropout."
    )


def batch_facts(study: Study, cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """Return the three batch sizes that the cells have."""
    batches = [cell.batches for cell in cells]
    norm = sorted({size for b in batches if (size := b.norm) is not None}, reverse=True)
    own = any(axis.name == NORM_BATCH_SIZE for axis in study.parsed_axes)
    free = any(b.norm is None for b in batches)
    sizes = ", ".join(map(str, norm)) or "none"
    return [
        (
            "normalisation batch",
            f"clips that share one set of batch statistics: {sizes}"
            + (" (what varies)" if own and len(norm) > 1 else "")
            + ("; norms without batch statistics have none" if free and norm else ""),
        ),
        ("device batch", f"clips in one forward: {_sizes_text(b.device for b in batches)}"),
        ("total batch", f"clips per update: {_sizes_text(b.total for b in batches)}"),
    ]


def policy_note(results: Iterable[Result]) -> str | None:
    """Return what the rule in brackets behind a protocol means; None where no result names one."""
    named = {result.clip_policy for result in results}
    rules = [f"{name}: {meaning}" for name, meaning in CLIP_POLICIES.items() if name in named]
    return f"Protocol, clips × crops of each video; {'; '.join(rules)}. A single clip is the centre." if rules else None


def _protocol_text(study: Study, outcomes: Sequence[Outcome]) -> str:
    said = protocol_text(outcome.result for outcome in outcomes if outcome.result is not None)
    if said != "-":
        return said
    return str(study.protocol or outcomes[0].cell.effective.get("data.protocol") or "as the base config says")


def _exceptions_text(study: Study, held: Sequence[str]) -> str:
    """Return which of the settings that are held the axes set, such as " (but for base_lr, which the axis lr sets)"."""
    parts = []
    for axis in study.parsed_axes:
        names = dict.fromkeys(
            name.removeprefix("model.").removeprefix("trainer.")
            for level in axis.levels
            for name in level.settings
            if name.startswith(tuple(held))
        )
        parts += [f"{listed(list(names))}, which the axis {axis_words(axis.name)} sets"] if names else []
    return f" (but for {', and for '.join(parts)})" if parts else ""


def _sizes_text(sizes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(set(sizes), reverse=True)))


def start_of(point: Point) -> str:
    """Return the file that a point's runs start from, as its settings name it, else its results; or "scratch"."""
    asked = point.outcomes[0].cell.effective.get("model.weights")
    said = next((result.weights_file for result in point.results.values() if result.weights_file), None)
    return str(asked or said or _SCRATCH)


def starts_text(points: Sequence[Point], *, has_digests: bool = True) -> str | None:
    """Return such as "frozen BN starts from bn.ckpt (SHA-256 0a99), the others from scratch"; None where all do."""
    groups: dict[str, list[Point]] = {}
    for point in points:
        groups.setdefault(start_of(point), []).append(point)
    if list(groups) == [_SCRATCH]:
        return None
    if len(groups) == 1:
        (start,) = groups
        return f"every run starts from {start}{_digests_text(points) if has_digests else ''}"
    # The most are "the others", and of as many those from scratch.
    ordered = sorted(groups, key=lambda start: (len(groups[start]), start == _SCRATCH))
    parts = []
    for place, start in enumerate(ordered):
        names = _names_of(groups[start], points)
        is_rest = place == len(ordered) - 1 and len(names) > 1
        verb = "" if place else " starts" if len(names) == 1 else " start"
        digests = _digests_text(groups[start]) if has_digests else ""
        parts.append(f"{'the others' if is_rest else listed(names)}{verb} from {start}{digests}")
    return ", ".join(parts)


def _names_of(group: Sequence[Point], points: Sequence[Point]) -> list[str]:
    """Return the levels of one axis that are just these points, where there is such an axis; else the points."""
    for axis in points[0].labels:
        inside = dict.fromkeys(point.labels[axis] for point in group)
        if not any(point.labels[axis] in inside for point in points if point not in group):
            return [level_words(axis, label) if axis in NORM_AXES else level_label(axis, label) for label in inside]
    return [point_words(point.labels) for point in group]


def _digests_text(points: Sequence[Point]) -> str:
    digests = {result.weights_sha256 for point in points for result in point.results.values()} - {None}
    return f" (SHA-256 {' and '.join(sorted(map(str, digests)))})" if digests else ""

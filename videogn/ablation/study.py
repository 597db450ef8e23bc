"""The question of an ablation as one value: what varies, what stays, and what is refused before anything runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from videogn.ablation.axes import NORM_BATCH_SIZE, Axis, check_setting_names, flatten, read_axes, value_text
from videogn.ablation.search import read_tune
from videogn.ablation.sequential import ALPHA, RULE_FORM, SeedRule, read_seed_rule

# What the study sets on every run itself, or what follows from it: a setting of the same name would fight with it.
_OWN_SETTINGS = {
    "config": "base",
    "model.norm_batch_size": "norm_batch_size (the study sees to how it comes about)",
    "data.batch_size": "device_batch_size",
    "total_batch_size": "the study's own total_batch_size",
    "seed_everything": "seeds",
    "run_dir": "--out",
    "ckpt_path": "checkpoint",
    "data.protocol": "the study's own protocol",
    "trainer.accumulate_grad_batches": "total_batch_size (accumulation follows from it)",
}
_MAX_SEED = 2**32 - 1
TUNING_SEED = 1000
# Fields that a study may grow by between two runs of the command, or that change no run.
GROWING = ("axes", "seeds", "tune", "tuning_seeds")
SHOWN_ONLY = ("title", "baseline", "paper")


@dataclass(frozen=True)
class Study:
    """Any base config x axes over its settings x seeds; all else is the same in every run.

    Args:
        base: Config file of the runs, a path or the bare name of a packaged one: what `videogn fit --config` takes.
        axes: What varies. A setting with its values, {"model.norm": ["bn", "gn"], "norm_batch_size": [8, 4, 2]}; or a
            name with labelled levels, {"clips": {"32x2": {"data.num_frames": 32, "data.frame_interval": 2}, ...}}.
            norm_batch_size is the normalisation batch: the clips that share one set of batch statistics.
        seeds: Seeds; every cell is run once for each. Or a rule, {"from": 3, "until": 1.0, "at_most": 20}: seeds 0, 1
            and 2, then one more at a time until every difference between two settings that the report compares is
            decided, 20 at most. Decided: it is a finding, or its interval is no wider than ± 1.0 points of top-1. All
            intervals of such a study are wider than usual, so that they hold although one looks after every seed.
            With "between": [{axis: label, ...}, {axis: label, ...}] the one difference between these two settings is
            to be decided, and is judged before all others; an axis that is left out is at the baseline's level.
        comparison: What stays the same. "fixed-total": total batch, learning rate, updates and the order of clips are
            the same in every cell, and only the clips that share statistics change; a forward is split into
            normalisation batches (one that is larger than the device batch has forwards of its own size, and other
            masks of dropout). "paper": a forward holds the normalisation batch, the total batch is that x
            num_devices, the learning rate is linear in it, and the schedule's `scaling` (equal_epochs by default,
            or equal_iterations) says how long a run is.
        total_batch_size: fixed-total: clips per optimiser step (default: the base config's).
        device_batch_size: fixed-total: clips in one forward (default: the base config's data.batch_size); a larger
            normalisation batch has a forward of its own size.
        num_devices: paper: devices of the setting that is compared; on fewer, their forwards are accumulated.
        baseline: The cell that all others are compared with, as axis: label; default: the first level of each axis.
        protocol: Test protocol, as `videogn test --data.protocol` takes it; default: what the base config names.
        checkpoint: Which checkpoint of a run is tested. "last" picks nothing by the videos that validate.
        settings: Further settings of every run by their dotted names, such as {"data.root": "data/kinetics400",
            "trainer.max_epochs": 5}.
        tune: Settings that each point of the grid is to have at its best, with the values to try, {"model.base_lr":
            [0.1, 0.2, 0.4]}: the same values for all, on seeds that no result uses, judged on videos that no result is
            scored on. That is the validation list where the runs have a test list of their own, else a fifth of the
            training list, held out. The report then has two answers: at the same settings, and each at its best; seeds
            are a list then, not a rule.
        tuning_seeds: Seeds of that search; a choice is by the mean over them. Runs of a search: all combinations of
            values x these seeds x the points of the grid that are computations of their own.
        title: The question, as the report's heading.
        equivalence: Points of top-1 within which two settings count as equal: "within so many points" is said where a
            test shows it, and differences are then a little harder to show, as all are judged together. State it before
            the study is run: a folder's own can't be changed. Default: none is tested.
        paper: A CSV with the paper's figures to stand beside, a path or the bare name of a packaged one (table8.csv).

    Raises:
        ValueError: A value is empty, unknown, doubled or out of range; or a setting is one that the study sets itself.
    """

    base: str
    axes: dict[str, Any]
    seeds: list[int] | dict[str, Any] = field(default_factory=lambda: [0])
    comparison: Literal["fixed-total", "paper"] = "fixed-total"
    total_batch_size: int | None = None
    device_batch_size: int | None = None
    num_devices: int | None = None
    baseline: dict[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    checkpoint: Literal["last", "best"] = "last"
    settings: dict[str, Any] = field(default_factory=dict)
    tune: dict[str, Any] = field(default_factory=dict)
    tuning_seeds: list[int] = field(default_factory=lambda: [TUNING_SEED])
    title: str | None = None
    equivalence: float | None = None
    paper: str | None = None

    def __post_init__(self) -> None:
        # `--settings.data.root X` reaches us nested beside the config file's dotted names, and later: it wins.
        object.__setattr__(self, "settings", dict(flatten(self.settings)))
        object.__setattr__(self, "tune", read_tune(dict(flatten(self.tune))))
        _check_scalars(self)
        axes = read_axes(self.axes)
        object.__setattr__(self, "axes", {axis.name: _as_given(axis) for axis in axes})
        _check_settings(self, axes)
        _check_tuning(self, axes)
        baseline = {str(name): value_text(label) for name, label in flatten(self.baseline)}
        _check_levels(baseline, axes, where="baseline")
        object.__setattr__(self, "baseline", {axis.name: axis.levels[0].label for axis in axes} | baseline)
        if isinstance(self.seeds, Mapping):
            object.__setattr__(self, "seeds", _whole_rule(self, axes))

    @cached_property
    def parsed_axes(self) -> tuple[Axis, ...]:
        """The axes with their levels."""
        return read_axes(self.axes)

    @cached_property
    def seed_rule(self) -> SeedRule | None:
        """The rule by which seeds are added; None where they are a list."""
        return read_seed_rule(self.seeds) if isinstance(self.seeds, Mapping) else None

    @property
    def all_seeds(self) -> list[int]:
        """The seeds in the order in which they are run; of a rule, all that there may be."""
        return read_seed_rule(self.seeds).seeds if isinstance(self.seeds, Mapping) else list(self.seeds)

    @property
    def alpha(self) -> float:
        """1 less the nominal confidence of the study's intervals, which is higher where one looks after every seed."""
        return self.level_among(1)

    @property
    def least_num(self) -> int:
        """Seeds that an interval needs: two, and where one looks after every seed, those before the first look."""
        return 2 if self.seed_rule is None else self.seed_rule.start

    def level_among(self, num: int) -> float:
        """Return the nominal level of the first step of Holm's procedure among so many comparisons."""
        return ALPHA / num if self.seed_rule is None else self.seed_rule.nominal(ALPHA / num)


def _as_given(axis: Axis) -> Any:
    """Return an axis in the form of a config file, nested names put together."""
    if all(list(level.settings) == [axis.name] for level in axis.levels):
        return [level.settings[axis.name] for level in axis.levels]
    return {level.label: dict(level.settings) for level in axis.levels}


def _check_scalars(study: Study) -> None:
    if not isinstance(study.base, str) or not study.base.strip():
        raise ValueError(f"base: got {study.base!r}; expected the config file of the runs, such as motions.yaml")
    for name, allowed in {"comparison": ("fixed-total", "paper"), "checkpoint": ("last", "best")}.items():
        if getattr(study, name) not in allowed:
            raise ValueError(f"{name}: got {getattr(study, name)!r}; expected {' or '.join(allowed)}")
    if not isinstance(study.axes, Mapping):
        raise ValueError(f"axes: got {study.axes!r}; expected axes with values, such as model.norm: [bn, gn]")
    if isinstance(study.seeds, Mapping):
        read_seed_rule(study.seeds)
    else:
        _check_seeds(study.seeds, where="seeds", or_else=f", or {RULE_FORM}")
    for name in ("total_batch_size", "device_batch_size", "num_devices"):
        value = getattr(study, name)
        if value is not None and (not _is_int(value) or value < 1):
            raise ValueError(f"{name}: got {value!r}; expected a whole number, at least 1")
    bound = study.equivalence
    if bound is not None and (isinstance(bound, bool) or not isinstance(bound, int | float) or not 0 < bound < 100):
        raise ValueError(f"equivalence: got {bound!r}; expected points of top-1 above 0, such as 1.0")
    if study.comparison == "paper":
        for name in ("total_batch_size", "device_batch_size"):
            if getattr(study, name) is not None:
                raise ValueError(
                    f"{name}: got {getattr(study, name)} with comparison paper, where it follows from the "
                    "normalisation batch and num_devices; leave it out, or use comparison fixed-total"
                )
        if study.num_devices is None:
            raise ValueError("num_devices: comparison paper needs it, such as 8: the paper's number of GPUs")
    elif study.num_devices is not None:
        raise ValueError(
            f"num_devices: got {study.num_devices} with comparison fixed-total, where it has no effect; leave it out, "
            "or use comparison paper"
        )


def _check_seeds(seeds: Any, *, where: str, or_else: str = "") -> None:
    if not isinstance(seeds, list | tuple) or not seeds:
        raise ValueError(f"{where}: got {seeds!r}; expected a list with at least one value{or_else}")
    for place, seed in enumerate(seeds):
        if not _is_int(seed) or not 0 <= seed <= _MAX_SEED:
            raise ValueError(f"{where}: got {seed!r}; expected whole numbers from 0 to {_MAX_SEED}")
        if seed in seeds[:place]:
            raise ValueError(f"{where}: {seed} stands there more than once; name each seed once")


def _check_tuning(study: Study, axes: tuple[Axis, ...]) -> None:
    _check_seeds(study.tuning_seeds, where="tuning_seeds")
    if not study.tune:
        if study.tuning_seeds != [TUNING_SEED]:
            raise ValueError("tuning_seeds: without tune they have no effect; name what is tuned, or leave them out")
        return
    if isinstance(study.seeds, Mapping):
        raise ValueError(
            "tune: a study that tunes has two answers, and seeds are added until one is decided; give a list of seeds"
        )
    if both := [seed for seed in study.tuning_seeds if seed in study.seeds]:
        raise ValueError(
            f"tuning_seeds: {both} are seeds of results, too; a choice that a result's own seed made would flatter it: "
            "take others"
        )
    varied = {name for axis in axes for level in axis.levels for name in level.settings}
    for name in study.tune:
        if name in varied:
            raise ValueError(f"tune: {name} is set by an axis, too: what varies can't be chosen; leave it out of one")


def _whole_rule(study: Study, axes: tuple[Axis, ...]) -> dict[str, Any]:
    """Return the rule by which seeds are added with a level of every axis for both of the points that it names."""
    rule = read_seed_rule(study.seeds)  # type: ignore[arg-type]
    whole = {"from": rule.start, "until": rule.until, "at_most": rule.at_most}
    if rule.between is None:
        return whole
    points = []
    for point in rule.between:
        labels = {str(name): value_text(label) for name, label in flatten(point)}
        _check_levels(labels, axes, where="seeds, between")
        points.append(study.baseline | labels)
    if points[0] == points[1]:
        raise ValueError(f"seeds, between: got {points[0]} twice; expected two settings that differ")
    return {**whole, "between": points}


def _check_settings(study: Study, axes: tuple[Axis, ...]) -> None:
    named: list[tuple[str, Mapping[str, Any]]] = [("settings", study.settings)]
    named += [("tune", dict.fromkeys(study.tune))]
    named += [(f"axes, {axis.name}, {level.label}", level.settings) for axis in axes for level in axis.levels]
    if NORM_BATCH_SIZE in study.tune:
        raise ValueError(f"tune: {NORM_BATCH_SIZE} is what a study compares, and not what it chooses: make it an axis")
    for where, settings in named:
        check_setting_names(settings, where=where)
        for name in settings:
            for own, source in _OWN_SETTINGS.items():
                if name == own or name.startswith(f"{own}.") or own.startswith(f"{name}."):
                    raise ValueError(f"{where}: {name} would collide with what the study itself sets; change {source}")
        size = settings.get(NORM_BATCH_SIZE, 1)
        if not _is_int(size) or size < 1:
            raise ValueError(f"{where}: {NORM_BATCH_SIZE} is {size!r}; expected a whole number of clips, at least 1")
    varied = {name for axis in axes for level in axis.levels for name in level.settings}
    for name in study.settings:
        if any(name == other or name.startswith(f"{other}.") or other.startswith(f"{name}.") for other in varied):
            raise ValueError(f"settings: {name} is set by an axis, too; leave it out there, or take the axis away")


def _check_levels(levels: Mapping[str, str], axes: tuple[Axis, ...], *, where: str) -> None:
    labels = {axis.name: [level.label for level in axis.levels] for axis in axes}
    for name, label in levels.items():
        if name not in labels:
            raise ValueError(f"{where}: {name!r} is no axis; the axes are {', '.join(labels)}")
        if label not in labels[name]:
            raise ValueError(f"{where}: {name} has no level {label!r}; expected one of {', '.join(labels[name])}")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

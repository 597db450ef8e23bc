"""The question of an ablation as one value: what varies, what stays, and what is refused before anything runs."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

# All that `videogn fit` has but sync_bn, whose normalisation batch is no setting: it follows from the devices.
NORMS = ("gn", "bn", "frozen_bn", "ln", "in", "brn", "none")
BATCH_STATISTICS_NORMS = ("bn", "brn")  # those whose result depends on which clips share a batch

# What the study sets on every run itself, or what follows from it: a setting of the same name would fight with it.
_OWN_SETTINGS = {
    "config": "base",
    "model.norm": "norms",
    "model.norm_batch_size": "norm_batch_sizes",
    "data.batch_size": "norm_batch_sizes (with vary: split, device_batch_size)",
    "total_batch_size": "total_batch_size",
    "seed_everything": "seeds",
    "run_dir": "--out",
    "trainer.accumulate_grad_batches": "total_batch_size (accumulation follows from it)",
}
_SETTING_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_MAX_SEED = 2**32 - 1


@dataclass(frozen=True)
class Study:
    """Norms x normalisation batches x seeds; all else is the same in every run.

    Args:
        base: Config file of the runs, a path or the bare name of a packaged one: what `videogn fit --config` takes.
        norms: Norms to compare, of gn, bn, frozen_bn, ln, in, brn and none.
        norm_batch_sizes: Normalisation batches: the numbers of clips that share one set of batch statistics. Each must
            divide total_batch_size.
        total_batch_size: Clips per optimiser step, the same in all runs: learning rate and number of updates stay.
        seeds: Seeds; every cell of norms x norm_batch_sizes is run once for each.
        vary: How a small normalisation batch comes about. "accumulation": the forward holds exactly that many clips,
            for every norm, and gradients are accumulated up to the total batch. "split": the forward holds
            device_batch_size clips and bn splits it into groups; a norm without batch statistics is then the same
            computation for every normalisation batch and is run once a seed.
        device_batch_size: Clips in one forward with vary "split" (default: total_batch_size); each normalisation batch
            must divide it. Refused with "accumulation", where it is the normalisation batch.
        protocol: Test protocol, as `videogn test --data.protocol` takes it; default: what the base config names.
        settings: Further settings of every run by their dotted names, such as {"data.root": "data/kinetics400",
            "trainer.max_epochs": 5}.
        norm_settings: Settings of the runs of one norm, such as the weights that each starts from:
            {"gn": {"model.weights": "gn.pth"}, "bn": {"model.weights": "bn.pth"}}.

    Raises:
        ValueError: A value is empty, unknown, doubled, out of range, or does not divide; or a setting is one that the
            study sets itself.
    """

    base: str
    norms: list[str]
    norm_batch_sizes: list[int]
    total_batch_size: int
    seeds: list[int] = field(default_factory=lambda: [0])
    vary: Literal["accumulation", "split"] = "accumulation"
    device_batch_size: int | None = None
    protocol: str | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    norm_settings: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # `--settings.data.root X` reaches us nested beside the config file's dotted names, and later: it wins.
        object.__setattr__(self, "settings", dict(_flatten(self.settings)))
        by_norm = {norm: dict(_flatten(settings)) for norm, settings in self.norm_settings.items()}
        object.__setattr__(self, "norm_settings", by_norm)
        _check_axes(self)
        _check_batch_sizes(self)
        _check_settings(self)

    @property
    def forward_batch_size(self) -> int:
        """Clips in one forward with vary "split"."""
        return self.total_batch_size if self.device_batch_size is None else self.device_batch_size

    def settings_of(self, norm: str) -> dict[str, Any]:
        """Return the settings of the runs of a norm: those of every run, under those of this norm."""
        return {**self.settings, **self.norm_settings.get(norm, {})}


def _flatten(settings: Mapping[str, Any], *, prefix: str = "") -> Iterable[tuple[str, Any]]:
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, prefix=f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _check_axes(study: Study) -> None:
    if not isinstance(study.base, str) or not study.base.strip():
        raise ValueError(f"base: got {study.base!r}; expected the config file of the runs, such as motions.yaml.")
    if study.vary not in ("accumulation", "split"):
        raise ValueError(f"vary: got {study.vary!r}; expected accumulation or split.")
    for name in ("norms", "norm_batch_sizes", "seeds"):
        values = getattr(study, name)
        if not isinstance(values, list | tuple) or not values:
            raise ValueError(f"{name}: got {values!r}; expected a list with at least one value.")
        doubled = [value for position, value in enumerate(values) if value in values[:position]]
        if doubled:
            raise ValueError(f"{name}: {doubled[0]!r} stands there more than once; name each value once.")
    unknown = [norm for norm in study.norms if norm not in NORMS]
    if unknown:
        raise ValueError(f"norms: got {unknown[0]!r}; expected some of {', '.join(NORMS)}.")
    for seed in study.seeds:
        if not _is_int(seed) or not 0 <= seed <= _MAX_SEED:
            raise ValueError(f"seeds: got {seed!r}; expected whole numbers from 0 to {_MAX_SEED}.")


def _check_batch_sizes(study: Study) -> None:
    named = [("total_batch_size", study.total_batch_size), *(("norm_batch_sizes", n) for n in study.norm_batch_sizes)]
    if study.device_batch_size is not None:
        named.append(("device_batch_size", study.device_batch_size))
    for name, value in named:
        if not _is_int(value) or value < 1:
            raise ValueError(f"{name}: got {value!r}; expected a whole number of clips, at least 1.")
    if study.device_batch_size is not None and study.vary == "accumulation":
        raise ValueError(
            f"device_batch_size: got {study.device_batch_size} with vary: accumulation, where the device batch is the "
            "normalisation batch; leave it out, or use vary: split."
        )
    if study.total_batch_size % study.forward_batch_size:
        raise ValueError(
            f"device_batch_size: {study.device_batch_size} does not divide total_batch_size {study.total_batch_size}; "
            f"these do: {_divisors(study.total_batch_size)}."
        )
    whole_name = "total_batch_size" if study.device_batch_size is None else "device_batch_size"
    for size in study.norm_batch_sizes:
        if study.forward_batch_size % size:
            raise ValueError(
                f"norm_batch_sizes: {size} does not divide {whole_name} {study.forward_batch_size}; "
                f"these do: {_divisors(study.forward_batch_size)}."
            )


def _check_settings(study: Study) -> None:
    strangers = [norm for norm in study.norm_settings if norm not in study.norms]
    if strangers:
        raise ValueError(f"norm_settings: got {strangers[0]!r}, which is not among norms {study.norms}.")
    if "frozen_bn" in study.norms and not {"model.weights"} & {
        *study.settings,
        *study.norm_settings.get("frozen_bn", {}),
    }:
        raise ValueError(
            "norms: frozen_bn has the statistics of the weights that it starts from; name them by "
            "norm_settings, frozen_bn: {model.weights: FILE}."
        )
    _check_names(study.settings, where="settings")
    for norm, settings in study.norm_settings.items():
        _check_names(settings, where=f"norm_settings, {norm}")
        if "data.protocol" in settings:
            raise ValueError(f"norm_settings, {norm}: data.protocol must be the same for all norms; set protocol.")
    if study.protocol is not None and "data.protocol" in study.settings:
        raise ValueError(
            f"settings: data.protocol is {study.settings['data.protocol']!r} and protocol is {study.protocol!r}; "
            "name the protocol once."
        )


def _check_names(settings: Mapping[str, Any], *, where: str) -> None:
    for name in settings:
        if not isinstance(name, str) or not _SETTING_NAME.fullmatch(name):
            raise ValueError(
                f"{where}: got the name {name!r}; expected a dotted name without dashes, such as trainer.max_epochs."
            )
        for own, source in _OWN_SETTINGS.items():
            if name == own or name.startswith(f"{own}.") or own.startswith(f"{name}."):
                raise ValueError(f"{where}: {name} would collide with what the study itself sets; change {source}.")


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _divisors(number: int) -> str:
    return ", ".join(str(d) for d in range(1, number + 1) if number % d == 0)

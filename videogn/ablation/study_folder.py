"""OUT, the folder of a study: one study in it, one process at work on it."""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_type_hints

from videogn.ablation.axes import plain_text
from videogn.ablation.base import base_settings
from videogn.ablation.cells import Cell, cell_folder
from videogn.ablation.study import GROWING, SHOWN_ONLY, Study
from videogn.files import read_json, replacing, write_json
from videogn.training.kinds import is_of


@contextmanager
def claim_folder(out: Path) -> Iterator[None]:
    """Keep other processes out of a study's folder, which is made where it is missing.

    Where no study is recorded in it in the meantime (`record_study`), what was made is removed again.

    Raises:
        ValueError: Another process is at work in OUT.
    """
    made = [folder for folder in (out, *out.parents) if not folder.exists()]
    out.mkdir(parents=True, exist_ok=True)
    path = out / "study.lock"
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Another process may have removed the file after we opened it.
            is_ours = path.exists() and os.path.samestat(os.fstat(lock.fileno()), path.stat())
        except BlockingIOError:
            is_ours = False
        if not is_ours:
            raise ValueError(f"{out}: another videogn ablate is at work there; wait for it or use another --out")
        try:
            yield
        finally:
            if not (out / "study.json").exists():
                path.unlink(missing_ok=True)
                with suppress(OSError):  # something else lies there
                    for folder in made:
                        folder.rmdir()


def record_study(study: Study, *, base: bytes, out: Path) -> None:
    """Write OUT/study.json, the study in the form of its config file, and OUT/base.yaml, its base config.

    The cells are run from that copy, because the original may change between two runs of the command. Where seeds are
    added to a list, and two or more of it have results, OUT/seeds_seen.json keeps the list before (`seeds_seen`).
    """
    if study.seed_rule is None and (out / "study.json").exists() and seeds_seen(out) is None:
        before = load_study(out)[0].all_seeds
        # Of one seed nothing is claimed: who adds seeds then has not looked at findings.
        if set(study.all_seeds) - set(before) and len(_seeds_with_results(out) & set(before)) > 1:
            write_json(out / "seeds_seen.json", before, ensure_ascii=True)
    with replacing(out / "base.yaml") as partial:
        partial.write_bytes(base)
    write_json(out / "study.json", asdict(study), ensure_ascii=True)


def seeds_seen(out: Path) -> list[int] | None:
    """Return the list of seeds that had results when others were first added to it; None where none were.

    Raises:
        ValueError: OUT/seeds_seen.json cannot be read.
    """
    try:
        found = read_json(out / "seeds_seen.json")
    except FileNotFoundError:
        return None
    if not is_of(found, list[int]):
        raise ValueError(f"{out / 'seeds_seen.json'}: got {found!r}; expected a list of seeds")
    return found


def _seeds_with_results(out: Path) -> set[int]:
    records = [read_record(path.parent) or {} for path in (out / "cells").glob("*/result.json")]
    cells = [cell for record in records if isinstance(cell := record.get("cell"), dict)]
    return {seed for cell in cells if isinstance(seed := cell.get("seed"), int)}


def check_folder(study: Study, cells: Sequence[Cell], *, base: bytes, out: Path) -> None:
    """Refuse a folder that can't be this study's; change nothing.

    Raises:
        ValueError: OUT holds another study, a narrower one is asked for, or a folder that is in the way of a cell was
            not made by this study.
    """
    if (out / "study.json").exists():
        stored, stored_base = load_study(out)
        _check_same_study(stored, study, out=out)
        if stored_base != base:
            raise ValueError(
                f"{out} holds cells of another {study.base}: its content has changed since (then: "
                f"{out / 'base.yaml'}); use another --out, or restore the file"
            )
    _check_cell_folders(cells, out=out)


def load_study(out: Path) -> tuple[Study, bytes]:
    """Return the study of a folder and the content of its base config.

    Raises:
        ValueError: The folder holds none, or none that this version can read.
    """
    path = out / "study.json"
    try:
        stored = read_json(path)
        base = (out / "base.yaml").read_bytes()
    except FileNotFoundError as error:
        raise ValueError(f"{out} holds no study: there is no {Path(error.filename).name}") from error
    except ValueError as error:
        raise ValueError(f"{path} is not a study ({error}); use another --out") from error
    kinds = get_type_hints(Study)
    # An earlier version had fewer.
    is_whole = isinstance(stored, dict) and {"base", "axes"} <= set(stored) <= set(kinds)
    if not is_whole or not all(is_of(value, kinds[name]) for name, value in stored.items()):
        raise ValueError(f"{path} is not a study of this version of videogn; use another --out")
    base_settings(base, name=str(out / "base.yaml"))
    return Study(**stored), base


def _check_same_study(stored: Study, asked: Study, *, out: Path) -> None:
    for name in sorted({*stored.settings, *asked.settings}):
        then, now = (study.settings.get(name, "not set") for study in (stored, asked))
        if then != now:
            raise ValueError(
                f"{out} holds another study: its setting {name} is {then!r}, not {now!r}; use another --out, or the "
                "same settings"
            )
    for field in fields(Study):
        then, now = getattr(stored, field.name), getattr(asked, field.name)
        if field.name not in (*GROWING, *SHOWN_ONLY) and then != now:
            raise ValueError(
                f"{out} holds another study: its {field.name} is {then!r}, not {now!r}; use another --out, or the same "
                "settings"
            )
    if stored.seeds != asked.seeds and (stored.seed_rule or asked.seed_rule):
        raise ValueError(
            f"{out} holds another study: its seeds are {stored.seeds}, not {asked.seeds}; a rule by which seeds are "
            "added is fixed before the first of them is run: keep it, or use another --out"
        )
    if asked.seed_rule is not None and asked.seed_rule.between is None and stored.baseline != asked.baseline:
        raise ValueError(
            f"{out} holds another study: its baseline is {stored.baseline}, not {asked.baseline}, and its seeds "
            "are added until the comparisons with that are decided; keep it, or use another --out"
        )
    lost = [seed for seed in stored.all_seeds if seed not in asked.all_seeds]
    if lost:
        raise ValueError(
            f"{out} holds a study with seeds {stored.seeds}, and {asked.seeds} lacks {lost}; a study may be extended, "
            "not narrowed: name those too, or use another --out"
        )
    _check_same_search(stored, asked, out=out)
    now_axes = {axis.name: {level.label: level.settings for level in axis.levels} for axis in asked.parsed_axes}
    then_axes = {axis.name: {level.label: level.settings for level in axis.levels} for axis in stored.parsed_axes}
    if list(now_axes) != list(then_axes):
        then, now = ", ".join(then_axes), ", ".join(now_axes)
        raise ValueError(f"{out} holds another study: its axes are {then}, in this order, not {now}; use another --out")
    for name, levels in then_axes.items():
        if set(levels) <= set(now_axes[name]) and list(now_axes[name])[: len(levels)] != list(levels):
            raise ValueError(
                f"{out} holds a study whose axis {name} has {', '.join(levels)}, and now {', '.join(now_axes[name])}; "
                "put new levels behind the old ones, whose runs they may share, or use another --out"
            )
        for label, settings in levels.items():
            if label not in now_axes[name]:
                raise ValueError(
                    f"{out} holds a study whose axis {name} has {label}, which is not asked for now; a study may be "
                    "extended, not narrowed: name it too, or use another --out"
                )
            if settings != now_axes[name][label]:
                raise ValueError(
                    f"{out} holds another study: on its axis {name}, {label} stands for {dict(settings)}, not "
                    f"{dict(now_axes[name][label])}; use another --out, or another label"
                )


def _check_same_search(stored: Study, asked: Study, *, out: Path) -> None:
    """Refuse a search that lacks values or seeds of the one before; there may have been none."""
    if not stored.tune:
        return
    if list(stored.tune) != list(asked.tune):
        raise ValueError(
            f"{out} holds a study that tunes {', '.join(stored.tune)}, not {', '.join(asked.tune) or 'nothing'}; use "
            "another --out"
        )
    then, now = ({**study.tune, "tuning_seeds": study.tuning_seeds} for study in (stored, asked))
    for name, values in then.items():
        known = list(map(plain_text, now[name]))
        if lost := [value for value in values if plain_text(value) not in known]:
            raise ValueError(
                f"{out} holds a study that tunes with {name} {values}, and {now[name]} lacks {lost}; a search may be "
                "widened, not narrowed: name those too, or use another --out"
            )


def _check_cell_folders(cells: Sequence[Cell], *, out: Path) -> None:
    """Refuse a folder in a cell's place that this study did not make: a cell that is run again loses its folder."""
    for cell in cells:
        folder = cell_folder(cell, out=out)
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ValueError(f"{folder} is in the way: expected a folder of this study; move it, or use another --out")
        if cell.same_as or not folder.is_dir() or all(path.name.startswith(".") for path in folder.iterdir()):
            continue
        record = read_record(folder)
        if record is None or record.get("cell") != json.loads(json.dumps(cell.identity)):
            raise ValueError(
                f"{folder} is in the way: its cell.json does not say that this study made it; "
                "move it, or use another --out"
            )


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what CELL/cell.json says, or None where there is none that can be read."""
    try:
        record = read_json(folder / "cell.json")
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_record(folder: Path, record: Mapping[str, Any]) -> None:
    """Write CELL/cell.json: whose folder this is ("cell": Cell.identity), and where its run stands.

    "code": version of videogn that began the training; "fit_seconds": seconds of the (last part of the) fit, once it
    has ended well; "stage": the command at work in it, "fit" or "test", null where none is; "since": when that began
    (seconds since 1970); "first_step": optimiser steps that were done before.
    """
    write_json(folder / "cell.json", record, ensure_ascii=True)

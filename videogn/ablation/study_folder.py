"""OUT, the folder of a study: one study in it, one process at work on it."""

import fcntl
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from videogn.ablation.atomic import write_atomically
from videogn.ablation.cells import cell_folder, cells_of
from videogn.ablation.study import Study

# A study may grow along these between two runs of the command; all its other fields must stay.
_AXES = ("norms", "norm_batch_sizes", "seeds")


@contextmanager
def claim_folder(study: Study, *, out: Path) -> Iterator[None]:
    """Make OUT this study's: refuse another study's folder, record the study, and keep other processes out.

    OUT/study.json holds the study in the form of its config file; OUT/base.yaml is a copy of the base config where
    `base` is a path, because its content may change between two runs of the command.

    Raises:
        ValueError: OUT holds another study, a narrower one is asked for, a folder that is in the way of a cell is not
            one of ours, or another process is at work in OUT.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / "study.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ValueError(
                f"{out}: another videogn ablate is at work there; wait for it or use another --out."
            ) from None
        base = _base_content(study)
        _check_same_study(study, base=base, out=out)
        _check_cell_folders(study, out=out)
        write_atomically(out / "study.json", (json.dumps(asdict(study), indent=2) + "\n").encode())
        if base is not None:
            write_atomically(out / "base.yaml", base)
        yield


def _base_content(study: Study) -> bytes | None:
    path = Path(study.base)
    return path.read_bytes() if path.is_file() else None


def _check_same_study(study: Study, *, base: bytes | None, out: Path) -> None:
    stored = _stored_study(out)
    if stored is None:
        return
    asked = json.loads(json.dumps(asdict(study)))
    for name in asked:
        if name in _AXES:
            lost = [value for value in stored.get(name, []) if value not in asked[name]]
            if lost:
                raise ValueError(
                    f"{out} holds a study with {name} {stored[name]}, and {asked[name]} lacks {lost}; a study may be "
                    f"extended, not narrowed: name those too, or use another --out."
                )
        elif name == "norm_settings":
            _check_same_norm_settings(stored, asked=asked, out=out)
        elif stored.get(name) != asked[name]:
            raise ValueError(
                f"{out} holds another study: its {name} is {stored.get(name)!r}, not {asked[name]!r}; "
                "use another --out, or the same settings."
            )
    copy = out / "base.yaml"
    if base is not None and copy.is_file() and copy.read_bytes() != base:
        raise ValueError(
            f"{out} holds cells of another {study.base}: its content has changed since (then: {copy}); "
            "use another --out, or restore the file."
        )


def _check_same_norm_settings(stored: dict[str, Any], *, asked: dict[str, Any], out: Path) -> None:
    """Refuse other settings of a norm that the stored study had; a norm that is new brings its own."""
    for norm in stored["norms"]:
        then, now = (study.get("norm_settings", {}).get(norm, {}) for study in (stored, asked))
        if then != now:
            raise ValueError(
                f"{out} holds another study: its norm_settings of {norm} are {then}, not {now}; "
                "use another --out, or the same settings."
            )


def _stored_study(out: Path) -> dict[str, Any] | None:
    path = out / "study.json"
    try:
        stored = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ValueError(f"{path} is not a study ({error}); use another --out.") from error
    if not isinstance(stored, dict):
        raise ValueError(f"{path} is not a study (got {type(stored).__name__}, expected an object); use another --out.")
    return stored


def _check_cell_folders(study: Study, *, out: Path) -> None:
    """Refuse a folder in a cell's place that this study did not make: a cell that is run again loses its folder."""
    for cell in cells_of(study):
        folder = cell_folder(cell, out=out)
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ValueError(f"{folder} is in the way: expected a folder of this study; move it, or use another --out.")
        if not folder.is_dir() or not any(folder.iterdir()):
            continue
        record = read_record(folder)
        if record is None or record.get("cell") != cell.identity:
            raise ValueError(
                f"{folder} is in the way: its cell.json does not say that this study made it; "
                "move it, or use another --out."
            )


def read_record(folder: Path) -> dict[str, Any] | None:
    """Return what CELL/cell.json says, or None where there is none that can be read."""
    try:
        record = json.loads((folder / "cell.json").read_text())
    except (FileNotFoundError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_record(folder: Path, *, identity: dict[str, Any], fit_seconds: float | None) -> None:
    """Write CELL/cell.json: whose folder this is, and the fit's seconds once it has ended well."""
    record = {"cell": identity, "fit_seconds": fit_seconds}
    write_atomically(folder / "cell.json", (json.dumps(record, indent=2) + "\n").encode())

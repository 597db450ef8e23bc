"""A folder of videos, prepared into another: in parallel, and again only what is missing.

A prepared file has its name only when it is whole, so what is there is done. `prepare.json` says how the folder was
made, and another way is refused: half of one kind and half of another would be no data set.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av

from videogn.files import is_partial, replacing, write_json
from videogn.machine import available_cores
from videogn.tools.prepare.encoding import RECIPE_VERSION, Encoding
from videogn.tools.prepare.originals import Originals, find_originals
from videogn.tools.prepare.rename import rename_in
from videogn.tools.prepare.video import Job, Outcome, Prepared, prepare_job
from videogn.tools.workers import alone_in, work_all

RECORD = "prepare.json"
_DECISIVE = ("root", "settings", "recipe_version")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What a run did, and what the folder holds now.

    Attributes:
        failures: The others: path below the root -> the reason.
        num_lists: Lists and files of classes that were copied.
        bytes_before: Size of the originals of all videos that are prepared now.
        bytes_after: Size of these.
    """

    num_prepared: int
    num_there: int
    failures: dict[str, str]
    num_lists: int
    num_images: int
    bytes_before: int
    bytes_after: int
    seconds: float


# Called in this process whenever a video is done: its path below the root, what came of it, how many of this run's
# videos are done, and how many there are.
OnDone = Callable[[str, Outcome, int, int], None]


def prepare_folder(
    root: str | Path,
    out: str | Path,
    *,
    settings: Encoding,
    num_workers: int | None = None,
    on_done: OnDone | None = None,
) -> Summary:
    """Prepare all videos below `root` into `out`, under the same paths, with the suffix .mp4.

    Lists (.csv, .txt) are copied, with the new names in them. Whatever stops a run leaves no half file under a final
    name; another run goes on from there.

    Args:
        root: The originals; only read.
        out: Does not exist, is empty, or holds what an earlier run made of the same originals with the same settings.
        num_workers: Processes, each with one thread; None: one a CPU; 0: in this one. They import the script that
            asks for them, which needs the usual `if __name__ == "__main__":`.

    Raises:
        ValueError: `root` holds no videos, or two that would get one name; `out` lies in `root` or holds something
            else; another run is at work in `out`.
        OSError: `out` can't be written.
    """
    begun = time.monotonic()
    if num_workers is None:
        num_workers = available_cores()
    if num_workers < 0:
        raise ValueError(f"num_workers is {num_workers}; expected 0 or above, or None for one a CPU")
    root, out = Path(root), Path(out)
    _refuse_overlap(root, out)
    originals = find_originals(root)
    record = {
        "made_by": "videogn data prepare",
        "root": str(root.resolve()),
        "settings": asdict(settings),
        "recipe_version": RECIPE_VERSION,
        "encoded_with": {"av": av.__version__, "libavcodec": ".".join(map(str, av.library_versions["libavcodec"]))},
    }
    is_new = _is_new(out, record)
    out.mkdir(parents=True, exist_ok=True)
    with alone_in(out), _without_partials(out):
        if is_new:
            write_json(out / RECORD, record, ensure_ascii=True)
        _copy_lists(root, out, originals)
        for folder in sorted({(out / target).parent for target in originals.targets.values()}):
            folder.mkdir(parents=True, exist_ok=True)
        there = {name for name, target in originals.targets.items() if (out / target).is_file()}
        names = {root / name: name for name in originals.targets if name not in there}
        jobs = [Job(source, out / originals.targets[name]) for source, name in names.items()]
        failures: dict[str, str] = {}
        work = partial(prepare_job, settings=settings)
        with contextlib.closing(work_all(jobs, work, num_workers=num_workers)) as outcomes:
            for num_done, (job, outcome) in enumerate(outcomes, 1):
                if not isinstance(outcome, Prepared):
                    failures[names[job.source]] = outcome
                if on_done is not None:
                    on_done(names[job.source], outcome, num_done, len(jobs))
    prepared = [name for name in originals.targets if name not in failures]
    return Summary(
        num_prepared=len(jobs) - len(failures),
        num_there=len(there),
        failures=dict(sorted(failures.items())),
        num_lists=len(originals.lists),
        num_images=originals.num_images,
        bytes_before=sum(_size(root / name) for name in prepared),
        bytes_after=sum(_size(out / originals.targets[name]) for name in prepared),
        seconds=time.monotonic() - begun,
    )


def _refuse_overlap(root: Path, out: Path) -> None:
    if not root.is_dir():
        raise ValueError(f"root {root} is no folder; expected the folder that holds the videos")
    inner, outer = out.resolve(), root.resolve()
    if inner.is_relative_to(outer) or outer.is_relative_to(inner):
        where = "is" if inner == outer else "lies in" if inner.is_relative_to(outer) else "holds"
        raise ValueError(f"out {out} {where} root {root}: the originals stay untouched; expected a folder beside it")


def _is_new(out: Path, record: dict[str, Any]) -> bool:
    """Return whether nothing was prepared into a folder yet; ValueError where something is in the way."""
    if not out.exists():
        return True
    if not out.is_dir():
        raise ValueError(f"out {out} is a file; expected a folder for the prepared videos")
    try:
        found = json.loads((out / RECORD).read_text(encoding="utf-8"))
        differing = [name for name in _DECISIVE if found[name] != record[name]]
    except FileNotFoundError:
        if all(is_partial(path.name) for path in out.iterdir()):
            return True
        raise ValueError(f"out {out} holds something else (there is no {RECORD}): choose a new folder") from None
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{out / RECORD} can't be used ({error!r}): choose a new folder") from error
    if differing:
        name = differing[0]
        hint = "; if the originals were moved, change it there" if name == "root" else ""
        raise ValueError(
            f"{out / RECORD} has {name} {found[name]}, but {record[name]} was asked for: ask for the same, "
            f"or choose a new folder{hint}"
        )
    return False


@contextlib.contextmanager
def _without_partials(out: Path) -> Iterator[None]:
    """Remove half files, of runs before and of this one."""
    _remove_partials(out)
    try:
        yield
    finally:
        _remove_partials(out)


def _remove_partials(out: Path) -> None:
    for folder, _, files in os.walk(out):
        for file in files:
            if is_partial(file):
                Path(folder, file).unlink(missing_ok=True)


def _copy_lists(root: Path, out: Path, originals: Originals) -> None:
    names = {os.path.basename(name) for name in originals.targets}
    for name in originals.lists:
        # Bytes that are no UTF-8 pass through as they are.
        text = (root / name).read_bytes().decode("utf-8", "surrogateescape")
        data = rename_in(text, root=root, names=names).encode("utf-8", "surrogateescape")
        target = out / name
        if not (target.is_file() and target.read_bytes() == data):
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as partial:
                partial.write_bytes(data)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0

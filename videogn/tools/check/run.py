"""All of a check: lists, every file in processes, what is there twice, and a report.

What is known of a file goes into state.jsonl as soon as it is known, a line each: a run that was stopped goes on from
there, and another looks only at files that are new or have changed. It takes 0.4 kB a file, and 1.6 of memory.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import av

from videogn.data.datamodule import KineticsDataModule
from videogn.data.decoding.index import LAYOUT
from videogn.data.lists.entries import Split
from videogn.machine import available_cores
from videogn.tools.check.clips import of_clips, of_rates
from videogn.tools.check.copies import Place, copies
from videogn.tools.check.inspect import Facts, inspect, within
from videogn.tools.check.kinds import KINDS, NOTE, Finding
from videogn.tools.check.lists import named, read_lists
from videogn.tools.workers import DIED, alone_in, work_all

VERSION = 1  # of what `inspect` finds
LIMIT_SECONDS = 1800  # for a file, after which a decoder is taken to hang
STATE = "state.jsonl"
# Called when a file is done: its path, what is wrong with it (None: nothing), how many are done, and of how many.
OnDone = Callable[[str, str | None, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What was found.

    Attributes:
        num_videos: Of each split that are on disk.
        num_files: Different files of these.
        num_known: Of them, those that an earlier run had looked at.
    """

    findings: list[Finding]
    num_videos: dict[Split, int]
    num_files: int
    num_known: int
    seconds: float

    @property
    def is_good(self) -> bool:
        """Whether nothing would stop or distort a run."""
        return all(KINDS[finding.kind].weight == NOTE for finding in self.findings)


def check(
    data: KineticsDataModule,
    out: Path,
    *,
    splits: Sequence[Split],
    num_workers: int | None = None,
    on_done: OnDone | None = None,
) -> Summary:
    """Check the videos of a run.

    Args:
        num_workers: Processes; None: one a core; 0: in this one.

    Raises:
        ListError: There is no data root.
        ValueError: Another check is at work in `out`.
        OSError: `out` can't be written.
    """
    begun = time.monotonic()
    there, findings = read_lists(data.catalog, splits)
    places: dict[str, list[Place]] = defaultdict(list)
    for split, records in there.items():
        for record in records:
            path = named(record, data.catalog)
            labels = record.labels if data.multi_label else (record.label,)
            places[str(record.path)].append(Place(split, labels, record.name, path))
    out.mkdir(parents=True, exist_ok=True)
    with alone_in(out), (out / STATE).open("a+", encoding="ascii") as state:
        facts = _known(state, places, decoder=data.decoder)
        num_known = len(facts)
        jobs = [path for path in places if path not in facts]
        workers = available_cores() if num_workers is None else num_workers
        work = partial(within, look=inspect, decoder=data.decoder, seconds=LIMIT_SECONDS if workers else 0)
        with closing(work_all(jobs, work, num_workers=min(workers, len(jobs)))) as outcomes:
            for num_done, (path, outcome) in enumerate(outcomes, 1):
                if isinstance(outcome, Facts):
                    facts[path] = outcome
                    _keep(state, path, outcome, decoder=data.decoder)
                else:  # not kept: the next run tries again
                    facts[path] = Facts(found=[("crash", f"{DIED}, or it hung for {LIMIT_SECONDS / 60:g} minutes")])
                if on_done is not None:
                    wrong = [words for kind, words in facts[path].found if KINDS[kind].weight != NOTE]
                    on_done(places[path][0].video, "; ".join(wrong) or None, num_done, len(jobs))
    also_test = "val" in there and data.catalog.lists["test"] in (None, data.catalog.lists["val"])
    for path, its in places.items():
        seen_by = {place.split for place in its}
        seen_by |= {"test"} if also_test and "val" in seen_by else set()
        for kind, words in of_clips(facts[path], data, seen_by):
            findings += [Finding(kind, place.split, place.video, words, place.path) for place in its]
    for split, records in there.items():
        if differ := of_rates((facts[str(record.path)] for record in records), data):
            findings.append(Finding("rates differ", split, "", differ))
    findings += copies(list(places), facts, places)
    order = list(KINDS)
    return Summary(
        findings=sorted(findings, key=lambda finding: (order.index(finding.kind), finding.split)),
        num_videos={split: len(records) for split, records in there.items()},
        num_files=len(places),
        num_known=num_known,
        seconds=time.monotonic() - begun,
    )


def _stamp(path: str, decoder: str) -> str:
    """Return what facts of a file depend on."""
    status = os.stat(path)
    size = len(os.listdir(path)) if os.path.isdir(path) else status.st_size
    return f"{VERSION} {LAYOUT} {av.__version__} {decoder} {size} {status.st_mtime_ns}"


def _keep(state: TextIO, path: str, facts: Facts, *, decoder: str) -> None:
    line = {
        "path": path,
        "stamp": _stamp(path, decoder),
        **asdict(facts),
        "digest": facts.digest.hex(),
        "looks": facts.looks.hex(),
    }
    state.write(json.dumps(line) + "\n")
    state.flush()  # a process that is killed loses none; a machine that crashes may


def _known(state: TextIO, wanted: dict[str, Any], *, decoder: str) -> dict[str, Facts]:
    """Return what the state tells of files that have not changed since; what is no whole line tells nothing."""
    state.seek(0)
    found: dict[str, Facts] = {}
    line = "\n"
    for line in state:
        try:
            own = json.loads(line)
            path = own.pop("path")
            if path in wanted and own.pop("stamp") == _stamp(path, decoder):
                own |= {name: bytes.fromhex(own[name]) for name in ("digest", "looks")}
                found[path] = Facts(**own)
        except (ValueError, KeyError, TypeError, OSError):
            continue
    if not line.endswith("\n"):
        state.write("\n")
    return found

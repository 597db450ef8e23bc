"""What a tuned study searches: settings with their values, the same for every point of the grid, and who judges.

A candidate is one value of each tuned setting; a search tries all of them, each once a tuning seed.
"""

import math
import os
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from videogn.ablation.axes import check_setting_names, plain_text, slug_of, value_text

# The share of the training list that judges a search where no list of validation videos is apart from the test's.
HELD_OUT_SHARE = 0.2
# The lists of a data root that a run takes where none is named (data/lists/formats.py).
_USUAL_VAL = [f"{name}{end}" for name in ("val", "validate", "validation") for end in (".csv", ".txt", ".json", "")]

Candidate = Mapping[str, Any]


def read_tune(tune: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return the values of each tuned setting, by its dotted name; 1e-3, which YAML reads as text, as a number.

    Raises:
        ValueError: A setting has no list of values, or the same value twice.
    """
    check_setting_names(tune, where="tune")
    for name, values in tune.items():
        if not isinstance(values, list | tuple) or not values:
            raise ValueError(f"tune, {name}: got {values!r}; expected a list with at least one value")
        texts = [plain_text(value) for value in values]
        for place, text in enumerate(texts):
            if text in texts[:place]:
                raise ValueError(f"tune, {name}: {value_text(values[place])} stands there more than once; name it once")
    return {
        name: [number(value) if isinstance(value, str) and number(value) is not None else value for value in values]
        for name, values in tune.items()
    }


def candidates_of(tune: Mapping[str, Sequence[Any]]) -> list[Candidate]:
    """Return every combination of values; none where nothing is tuned."""
    return [dict(zip(tune, values, strict=True)) for values in product(*tune.values())] if tune else []


def candidate_slug(candidate: Candidate) -> str:
    """Return a candidate as part of a folder's name, such as base_lr0.15."""
    return "+".join(slug_of(name.rsplit(".", 1)[-1] + value_text(value)) for name, value in candidate.items())


def candidate_text(candidate: Candidate) -> str:
    """Return a candidate as a reader is told it, such as "base_lr 0.15"."""
    return ", ".join(f"{name.rsplit('.', 1)[-1]} {value_text(value)}" for name, value in candidate.items())


def is_same(one: Candidate, other: Candidate) -> bool:
    """Return whether two candidates are the same: 0.10 is 0.1."""
    return {k: plain_text(v) for k, v in one.items()} == {k: plain_text(v) for k, v in other.items()}


def judge_settings(effective: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings by which a tuning run is scored on videos that no result is scored on.

    A run whose test list is another than its validation list is scored on the latter. Where they are one, a part of the
    training list is held out for it.

    Raises:
        ValueError: Its runs hold out videos of the training list themselves, to be tested on.
    """
    if effective.get("data.hold_out") is not None:
        raise ValueError(
            "data.hold_out: results would be of the videos that a search is judged on; leave it out in a study that "
            "tunes: what its runs hold out follows from their lists"
        )
    return {"data.test_list": None} if has_test_list(effective) else {"data.hold_out": HELD_OUT_SHARE}


def has_test_list(effective: Mapping[str, Any]) -> bool:
    """Return whether a run is tested on another list than the one that validates it, as far as their names tell.

    By the names alone, from whatever folder: ./val.csv is val.csv, and so is ROOT/val.csv. That two lists of other
    names have the same videos is found before the first cell runs (commands/planned.py).
    """
    test, val = effective.get("data.test_list"), effective.get("data.val_list")
    if test is None or effective.get("data.hold_out") is not None:  # then neither list is read
        return False
    root = str(effective.get("data.root") or "")
    validating = [_places(str(name), root=root) for name in (_USUAL_VAL if val is None else [val])]
    return not any(_places(str(test), root=root) & places for places in validating)


def _places(name: str, *, root: str) -> set[str]:
    """Return where a list may lie: in the data root, or where its name says."""
    return {os.path.normpath(name), os.path.normpath(os.path.join(root, name))}


def distance(candidate: Candidate, base: Mapping[str, Any], tune: Mapping[str, Sequence[Any]]) -> float:
    """Return how far a candidate is from the base's settings: by factors where numbers are positive, else by places."""
    total = 0.0
    for name, value in candidate.items():
        at = base.get(name)
        if is_same({name: value}, {name: at}):
            continue
        mine, theirs = number(value), number(at)
        if mine is not None and theirs is not None and mine > 0 and theirs > 0:
            total += abs(math.log(mine / theirs))
        else:
            total += 1 + [plain_text(one) for one in tune[name]].index(plain_text(value))
    return total


def number(value: Any) -> float | None:
    """Return a setting's value as a number: YAML reads 1e-3 as text; None where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def edge_of(name: str, value: Any, values: Sequence[Any]) -> str | None:
    """Return "smallest" or "largest" where a number is that of its values, and others lie beyond; else None.

    Of two values, either is at an edge, which says nothing.
    """
    found = _beyond(name, value, values)
    return None if found is None else found[0]


def widened(name: str, value: Any, values: Sequence[Any]) -> list[Any] | None:
    """Return values with one more beyond the edge at which a value lies, as far again as its neighbour; None inside."""
    found = _beyond(name, value, values)
    if found is None:
        return None
    edge, new = found
    return [new, *values] if edge == "smallest" else [*values, new]


def _beyond(name: str, value: Any, values: Sequence[Any]) -> tuple[str, float] | None:
    """Return the edge at which a value lies, and the next value beyond it."""
    ordered = sorted(known for one in values if (known := number(one)) is not None)
    own = number(value)
    if own is None or len(ordered) < len(values) or len(ordered) < 3 or ordered[0] < own < ordered[-1]:
        return None
    is_low = own == ordered[0]
    inside = ordered[1] if is_low else ordered[-2]
    new = float(f"{own * own / inside if ordered[0] > 0 else 2 * own - inside:.3g}")
    if own == 0 and is_low:  # counts, sizes and shares are not negative
        return None
    if ordered[0] >= 0 and own <= 1 < new and not name.endswith("lr"):  # a share, such as dropout, is not above 1
        new = round(1 - float(f"{(1 - own) / 2:.3g}"), 9)
    if all(isinstance(one, int) for one in values):
        new = round(new) or own
    return None if new == own else ("smallest" if is_low else "largest", new)

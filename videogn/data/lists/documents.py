"""Lists as JSON documents: Kinetics', Something-Something's, Diving48's; files are found by the video's id.

A new one is a row of DOCUMENTS and a function.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from videogn.data.lists.entries import Entries, ListError, Split
from videogn.data.lists.kinetics import find_videos, locate
from videogn.data.lists.splits import wanted_names
from videogn.data.media import VIDEO_SUFFIXES


class Item(NamedTuple):
    """An entry: the video's id, its label, and (start, end) in seconds where the file's name may have them."""

    id: str
    label: str
    times: tuple[int, int] | None = None


class Document(NamedTuple):
    """A kind of document."""

    name: str
    recognises: Callable[[Any], bool]
    items: Callable[[Any, Split, Path], Iterator[Item]]
    are_class_names: bool = True


def _kinetics(content: Any, split: Split, file: Path) -> Iterator[Item]:
    content = content.get("database", content)
    wanted = wanted_names({str(item.get("subset", "")).lower() for item in content.values()}, split, file=file)
    for video_id, item in content.items():
        if str(item.get("subset", "")).lower() not in wanted:
            continue
        found = item["annotations"]
        parts = found if isinstance(found, list) else [found]
        if len(parts) != 1:
            raise ValueError(
                f"{video_id} has {len(parts)} annotations: parts of videos can't be read, cut them out first"
            )
        start, end = parts[0].get("segment", (0, 0))
        yield Item(video_id, str(parts[0]["label"]), (int(float(start)), int(float(end))))


def _something(content: Any, split: Split, file: Path) -> Iterator[Item]:
    for item in content:
        yield Item(str(item["id"]), item["template"].replace("[", "").replace("]", ""))


def _diving48(content: Any, split: Split, file: Path) -> Iterator[Item]:
    for item in content:
        yield Item(str(item["vid_name"]), str(item["label"]))


def _has(*keys: str) -> Callable[[Any], bool]:
    def has(content: Any) -> bool:
        first = content[0] if isinstance(content, list) and content else None
        return isinstance(first, dict) and set(keys) <= set(first)

    return has


def _is_kinetics(content: Any) -> bool:
    if not isinstance(content, dict):
        return False
    inside = content.get("database", content)
    first = next(iter(inside.values()), None) if isinstance(inside, dict) else None
    return isinstance(first, dict) and "annotations" in first


DOCUMENTS = (
    Document("Kinetics' or ActivityNet's JSON", _is_kinetics, _kinetics),
    Document("Something-Something's JSON", _has("id", "template"), _something),
    Document("Diving48's JSON", _has("vid_name", "label"), _diving48, are_class_names=False),
)


def document(text: str, *, file: Path, root: Path, split: Split) -> Entries:
    """Read a JSON document of one of DOCUMENTS.

    Raises:
        ListError: It is no JSON, of no known kind, or an entry lacks something.
    """
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ListError(f"{file}: no JSON ({error})") from None
    kind = next((each for each in DOCUMENTS if each.recognises(content)), None)
    if kind is None:
        raise ListError(f"{file}: JSON of no known kind; expected one of {', '.join(each.name for each in DOCUMENTS)}")
    try:
        items = list(kind.items(content, split, file))
    except ListError:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        reason = f"no {error} in an entry" if isinstance(error, KeyError) else str(error)
        raise ListError(f"{file}: {kind.name}: {reason}") from None
    found = find_videos(root, VIDEO_SUFFIXES)
    files = [locate(found, item.id, *item.times) if item.times else found.get(item.id) for item in items]
    return Entries(
        names=[item.id for item in items],
        labels=[item.label for item in items],
        files=files,
        folder=str(root.absolute()),
        where=partial(_where, file, [item.id for item in items]),
        are_class_names=kind.are_class_names,
        read_as=kind.name,
    )


def _where(file: Path, ids: Sequence[str], place: int) -> str:
    return f"{file}, {ids[place]}"

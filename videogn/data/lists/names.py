"""Names in lists that are not those on disk: without suffix, in another form of Unicode, with backslashes."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from videogn.data.lists.entries import Entries, ListError
from videogn.data.media import below, is_image, is_media


def with_suffixes(entries: Entries) -> Entries:
    """Return entries whose files are looked up, where no name of a list has a suffix.

    A name is a path without suffix; or, where all of them are bare, the name of a file anywhere below the folder. A
    folder of that name is taken as it is.

    Raises:
        ListError: Two files have one name.
    """
    if any(map(is_media, entries.names)):
        return entries

    @cache
    def listed(folder: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        try:
            with os.scandir(folder) as inside:
                for entry in inside:
                    if is_media(entry.name) or entry.is_dir():
                        found.setdefault(_stem(entry.name), []).append(entry.name)
        except (OSError, ValueError):  # none of that name, or none can have it
            pass
        return found

    def in_its_folder(name: str) -> list[str]:
        head, _, last = name.rpartition("/")
        inside = listed(os.path.join(entries.folder, head)).get(last, [])
        return [f"{head}/{file}" if head else file for file in inside]

    files = [in_its_folder(name) for name in entries.names]
    if not any(files) and not any("/" in name for name in entries.names):
        anywhere: dict[str, list[str]] = {}
        for name, entry in below(entries.folder, skip_unreadable=True):
            if is_media(name):
                anywhere.setdefault(_stem(entry.name), []).append(name)
        files = [anywhere.get(name, []) for name in entries.names]
    for place, found in enumerate(files):
        videos = [file for file in found if is_media(file) and not is_image(file)]
        if len(videos) == 1:  # beside it, its thumbnail or its frames
            files[place] = videos
        elif len(found) > 1:
            raise ListError(
                f"{entries.where(place)}: {entries.names[place]!r} may be {found[0]} or {found[1]}: give it a suffix"
            )
    if not any(files):
        return entries
    names = [found[0] if found else name for found, name in zip(files, entries.names, strict=True)]
    if names == list(entries.names):  # folders of frames
        return entries
    return replace(entries, files=names, read_as=f"{entries.read_as}, names without suffix")


def _stem(name: str) -> str:
    return os.path.splitext(name)[0] if is_media(name) else name


def as_on_disk(names: Sequence[str | None], *, folder: str, is_there: Sequence[bool]) -> list[str | None]:
    """Return names, those that are not on disk replaced by what is: in another form of Unicode, with slashes.

    File systems of macOS store accents apart from letters (NFD), most lists have them together (NFC).
    """
    spelt: list[str | None] = list(names)
    for place, name in enumerate(names):
        if name is None or is_there[place] or (name.isascii() and "\\" not in name):
            continue
        for form in _FORMS:
            other = form(name)
            if other != name and os.path.exists(Path(folder, other)):
                spelt[place] = other
                break
    return spelt


_FORMS: tuple[Callable[[str], str], ...] = (
    lambda name: unicodedata.normalize("NFD", name),
    lambda name: unicodedata.normalize("NFC", name),
    lambda name: name.replace("\\", "/"),
)


def place_of(name: str, *, folder: str | Path) -> str:
    """Return one text for a file, however its path is spelt: relative or not, with dots, accents in either form."""
    return unicodedata.normalize("NFC", os.path.normpath(os.path.join(folder, name.replace("\\", "/"))))


def why_missing(name: str) -> str:
    """Return what about a missing file's name may be the reason, to stand behind it; empty for a usual name."""
    if name.startswith("~") or "$" in name:
        return ": ~ and $ are not expanded in a list"
    if "\\" in name:
        return ": it has backslashes"
    if any(separator in name for separator in "\v\f\x1c\x1d\x1e\x85\u2028\u2029"):
        return ": it has a character that ends lines elsewhere"
    return ""

"""The names of originals in lists, made those of the prepared files.

Whatever the list's format (`path label` lines, UCF101's and HMDB51's split files): what
ends as a video does is looked up among the originals by its last part, since lists name videos from the data root, from
a folder below it, or by the bare file name. Everything else stays as it is, byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

from videogn.data.media import VIDEO_SUFFIXES

_SUFFIX = re.compile(
    rf"(?:{'|'.join(map(re.escape, sorted(VIDEO_SUFFIXES)))})(?=[\s,;\"]|$)",
    flags=re.IGNORECASE,
)
# What may stand before a file's bare name: a folder, another column, another word.
_BEFORE_NAME = ("/", '/,;\t"', '/,;\t" ')


def rename_in(text: str, *, root: Path, names: Collection[str]) -> str:
    """Return a list's text with the names of prepared files.

    Paths from the top of the file system become relative to the data root where they lead below it. Where they lead
    elsewhere, and where a path leads upwards, it is another file's: the line stays.

    Args:
        names: The originals' bare file names.
    """
    tops = {f"{top}/" for top in (root.absolute(), root.resolve())}
    return "".join(_rename_in_line(line, tops, names) for line in text.splitlines(keepends=True))


def _rename_in_line(line: str, tops: Collection[str], names: Collection[str]) -> str:
    path = line.lstrip('\ufeff"')
    before = line[: len(line) - len(path)]
    for top in tops:
        path = path.removeprefix(top)
    if path.startswith(("/", "../")):
        return line
    done, rest = "", path
    while found := _SUFFIX.search(rest):
        head = rest[: found.start()]
        is_original = any(_last(done + head, ends) + found.group() in names for ends in _BEFORE_NAME)
        done, rest = done + head + (".mp4" if is_original else found.group()), rest[found.end() :]
    return before + done + rest


def _last(text: str, ends: str) -> str:
    return text[max(map(text.rfind, ends)) + 1 :]

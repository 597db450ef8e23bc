"""Videos that were there when a run began and are not any more: that is no video that can't be decoded."""

from __future__ import annotations

import errno
import os
from pathlib import Path

# What opening a file says where the mount that it lies on is gone, or does not answer.
_NO_ANSWER = (errno.ESTALE, errno.ENOTCONN, errno.ENODEV, errno.ENXIO, errno.EHOSTDOWN, errno.EHOSTUNREACH)


class Vanished(OSError):
    """The folder of videos is gone while a run is under way."""


def check_not_vanished(path: str, *, root: str | Path) -> None:
    """Refuse to take a video that could not be read for a broken one, where it is not alone.

    A file that alone was removed is as a broken one. Of a mount that is gone, an empty folder is left.

    Args:
        path: The video's file, or folder of frames, which was there when the run began.

    Raises:
        Vanished: Its folder is gone or can't be listed, or the data root is, or is empty.
    """
    reason = None
    try:
        os.stat(path)
        if os.path.isfile(path):
            Path(path).open("rb").close()
        return
    except OSError as error:
        if error.errno in _NO_ANSWER:
            reason = f"does not answer ({error.strerror})"
    for folder, name in ((str(root), f"the data root {root}"), (os.path.dirname(path), "its folder")):
        try:
            with os.scandir(folder) as entries:
                if folder == str(root) and next(entries, None) is None:
                    reason = "is empty"
        except OSError as error:
            reason = f"is gone ({error.strerror})"
        if reason is not None:
            raise Vanished(
                f"{path}: it was there when the run began, and now {name} {reason}: is it mounted? No video was "
                f"skipped for that; when it is back, the same command goes on"
            )

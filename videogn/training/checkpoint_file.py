"""A checkpoint's file: the old or the new one, and whole, whatever stops the writer."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from videogn.files import replacing
from videogn.training.checkpoint import own_part
from videogn.training.checkpoint_content import check_content
from videogn.training.errors import CheckpointError


class WholeFiles(TorchCheckpointIO):
    """Writes checkpoints so that each file is a whole one, the old or the new, at every moment.

    Lightning writes to the folder for temporary files and moves the result: to another file system that is a copy,
    which a killed process or a full disk leaves half written under the checkpoint's name. Here the file is made beside
    its place, brought to the disk, read back, and then renamed. So the one before needs no second name.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint; where that fails, the one before it is left as it was, and nothing beside it.

        Raises:
            OSError: It can't be written, or is not read back as it was written.
        """
        if "://" in str(path) or storage_options is not None:  # a store of objects, for a callback of the user's
            return super().save_checkpoint(checkpoint, path, storage_options)
        path = Path(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as partial:
                with partial.open("wb") as file:
                    torch.save(checkpoint, file)
                    file.flush()
                    os.fsync(file.fileno())
                    if hasattr(os, "posix_fadvise"):  # what is read back is to come from the disk
                        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                if (damage := damage_in(partial)) is not None:
                    raise OSError(f"what was read back is not what was written ({damage})")
        except (OSError, RuntimeError) as error:
            # torch ends its file even then, and its own complaint about that hides the reason.
            reason = error if isinstance(error, OSError) else error.__context__ or error
            if not isinstance(reason, OSError):
                raise reason from None
            kept = "; the one before it is whole: the same command goes on from it" if path.is_file() else ""
            raise OSError(f"{path} can't be written: {reason.strerror or reason}{kept}") from error


def damage_in(path: str | Path) -> str | None:
    """Return what is wrong with a checkpoint's file, by the checksums in it; None where it is as it was written.

    All of it is read. torch.load looks at no checksum.

    Raises:
        OSError: It can't be opened.
    """
    with Path(path).open("rb") as file:
        try:
            with ZipFile(file) as parts:
                # No checksum covers the bit that makes a part a folder, for which torch takes what lies in memory.
                folders = (part.filename for part in parts.infolist() if part.external_attr)
                damaged = parts.testzip() or next(folders, None)
        except Exception as error:  # zipfile raises whatever a damaged header leads to
            return str(error) or type(error).__name__
    return damaged and f"{damaged} is damaged"


def checkpoint_of(run_dir: Path, wanted: str) -> str:
    """Return the path of a checkpoint: "best" or "last" of a run, or a file.

    Raises:
        CheckpointError: It does not exist.
    """
    if wanted not in {"best", "last"}:
        if not Path(wanted).is_file():
            raise CheckpointError(f"{wanted}: no such file")
        return wanted
    path = run_dir / "checkpoints" / f"{wanted}.ckpt"
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; train first (videogn fit), or name another by --ckpt_path")
    return str(path)


def read_checkpoint(path: str) -> dict[str, Any]:
    """Return a checkpoint's content, on the CPU; plain types alone are accepted.

    Raises:
        CheckpointError: It is no checkpoint of videogn's, or a damaged one: none is taken in its place.
    """
    try:
        damage = damage_in(path)
        checkpoint = torch.load(path, weights_only=True, map_location="cpu", mmap=True) if damage is None else None
    except Exception as error:
        raise CheckpointError(f"{path}: not a checkpoint ({type(error).__name__})") from error
    if damage is not None:
        way = ""
        for name in ("best.ckpt", "previous.ckpt"):
            other = Path(path).with_name(name)
            if other != Path(path) and other.is_file() and damage_in(other) is None:
                way = f"; {other} is whole: score it by --ckpt_path, or begin a new run from it by --model.weights"
                break
        raise CheckpointError(f"{path}: not a checkpoint, or torn ({damage}): bring back a whole copy{way}")
    if not isinstance(checkpoint, dict):
        raise CheckpointError(f"{path}: this is no checkpoint of videogn's")
    try:
        check_content(checkpoint, steps=own_part(checkpoint)["training"]["steps"])
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from error
    return checkpoint

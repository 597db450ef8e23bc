"""From a weights file's bytes to named tensors: safetensors, torch files and Caffe2's pickles, told by content."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from videogn.models.weights.errors import WeightsError
from videogn.models.weights.pickles import Array, load_pickle

OWN_KEY = "videogn"  # in a Lightning checkpoint, and in the metadata of our safetensors
WRAPPERS = ("state_dict", "model_state", "model", "blobs")
PREFIXES = ("module.", "model.")
LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number that opens such a file


@dataclass(frozen=True)
class Contents:
    """What a file holds, under its own names.

    Attributes:
        tensors: Strided CPU tensors.
        others: Names of what is no weight: an optimizer's state, an epoch, a config.
        own: What videogn wrote beside the tensors ("norm", "num_groups", ...); None in a foreign file.
        container: How it is written.
        sha256: Of the whole file.
    """

    tensors: dict[str, Tensor]
    others: tuple[str, ...]
    own: dict[str, Any] | None
    container: str
    sha256: str


def read_file(path: str | Path) -> Contents:
    """Reads a weights file of any container; runs nothing that it holds.

    Raises:
        WeightsError: No such file; broken, truncated or empty; a pickle that wants more than arrays and plain values.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"{path}: {'a folder, not a weights file' if path.is_dir() else 'no such file'}")
    try:
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            head = file.read(16)
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror}") from error
    try:
        if not head:
            raise WeightsError("the file is empty")
        if _is_safetensors(head):
            tensors, own = _read_safetensors(path)
            return Contents(tensors, (), own, "safetensors", sha256)
        if head.startswith((b"PK\x03\x04", LEGACY_TORCH)):
            return _contents(_read_torch(path), "torch file", sha256)
        return _contents(load_pickle(path.read_bytes()), "pickle", sha256)
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error


def _is_safetensors(head: bytes) -> bool:
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 2**32


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise WeightsError(f"it is a broken or truncated safetensors file ({error})") from error
    if OWN_KEY not in metadata:
        return tensors, None
    try:
        own = json.loads(metadata[OWN_KEY])
    except json.JSONDecodeError as error:
        raise WeightsError("its metadata under 'videogn' is no JSON") from error
    if not isinstance(own, dict):
        raise WeightsError(f"its metadata under 'videogn' is a {type(own).__name__}; expected an object")
    return tensors, own


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of old files and TorchScript archives
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises whatever its parts raise
        # torch's advice on how to load it all the same is left out.
        reason = " ".join(str(error).rpartition("WeightsUnpickler error:")[2].split())
        if wanted := re.search(r"GLOBAL ([\w.]+)", reason):
            raise WeightsError(
                f"it is a torch file whose pickle wants {wanted[1]}: refused, and nothing of it was run"
            ) from error
        raise WeightsError(
            f"it is a torch file that is broken, truncated, or holds more than tensors and plain values "
            f"({reason[:160]})"
        ) from error


def _contents(value: Any, container: str, sha256: str) -> Contents:
    if not isinstance(value, Mapping):
        raise WeightsError(f"it holds a {type(value).__name__}; expected a dictionary of names and tensors")
    others: list[str] = []
    own = _own_header(value)
    for wrapper in WRAPPERS:
        inner = value.get(wrapper)
        if isinstance(inner, Mapping) and any(isinstance(each, Tensor | Array) for each in inner.values()):
            others += [str(name) for name in value if name != wrapper]
            value = inner
            break
    tensors: dict[str, Tensor] = {}
    for key, each in value.items():
        if not isinstance(each, Tensor | Array) or not isinstance(key, str):
            others.append(str(key)[:80])
            continue
        name = key
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        if name in tensors:
            raise WeightsError(f"it holds {name!r} twice, with and without a prefix {' or '.join(PREFIXES)}")
        tensors[name] = each.to_tensor() if isinstance(each, Array) else _plain(name, each)
    return Contents(tensors, tuple(others), own, container, sha256)


def _own_header(value: Mapping[Any, Any]) -> dict[str, Any] | None:
    """The architecture that videogn's checkpoints carry."""
    part = value.get(OWN_KEY)
    if part is None or not isinstance(value.get("state_dict"), Mapping):
        return None
    if not isinstance(part, Mapping) or not isinstance(part.get("architecture"), Mapping):
        raise WeightsError("its part 'videogn' holds no architecture: this is no checkpoint of videogn's")
    return dict(part["architecture"])


def _plain(name: str, tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise WeightsError(f"{name} is no plain tensor (sparse, quantized or without data)")
    return tensor.detach()

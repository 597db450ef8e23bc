"""From a weights file's bytes to named tensors: safetensors, torch files and Caffe2's pickles, told by content."""

from __future__ import annotations

import hashlib
import json
import re
import stat
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from videogn.models.weights import WeightsError
from videogn.models.weights.pickles import MAX_INT_BITS, Array, check_program, label, load_pickle

OWN_KEY = "videogn"  # in a Lightning checkpoint, and in the metadata of our safetensors
WRAPPERS = ("state_dict", "model_state", "model", "blobs")
CONFIGS = ("cfg", "config")  # beside them
PREFIXES = ("module.", "model.", "_orig_mod.")  # of DataParallel, Lightning, torch.compile
PICKLE_STARTS = b"\x80(]}l)dc"  # a protocol, a mark, an empty container, a name
MAX_PICKLE = 4 * 1024**3  # bytes
MAX_HEADER = 100_000_000  # bytes, safetensors' own limit
MAX_OWN = 1000  # characters of a string, items of a list that videogn wrote beside the tensors
LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number that opens such a file


@dataclass(frozen=True)
class Contents:
    """What a file holds, under its own names.

    Attributes:
        tensors: Strided CPU tensors.
        others: Names of what is no weight: an optimizer's state, an epoch, a config.
        own: What videogn wrote beside the tensors ("norm", "num_groups", ...); None in a foreign file.
        config: A text that was saved beside the tensors as the model's config; whatever it says.
    """

    tensors: dict[str, Tensor]
    others: tuple[str, ...]
    own: dict[str, Any] | None
    container: str
    config: str | None
    sha256: str


_Parts = tuple[dict[str, Tensor], tuple[str, ...], dict[str, Any] | None, str, str | None]  # Contents without its hash


def read_file(path: str | Path) -> Contents:
    """Read a weights file of any container; runs nothing that it holds.

    Raises:
        WeightsError: No such file; broken, truncated or empty; a pickle that wants more than arrays and plain values.
    """
    path = Path(path)
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise WeightsError("a folder, not a weights file" if path.is_dir() else "not a regular file")
        parts = _read(path, status.st_size)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WeightsError(f"{path}: no such file") from error
    except OSError as error:
        raise WeightsError(f"{path}: {error.strerror or error}") from error
    except WeightsError as error:
        raise WeightsError(f"{path}: {error}") from error
    except (RuntimeError, MemoryError, ValueError, ArithmeticError) as error:
        raise WeightsError(f"{path}: it can't be read ({type(error).__name__}: {str(error)[:120]})") from error
    return Contents(*parts, sha256)


def _read(path: Path, size: int) -> _Parts:
    """Return the parts of a file of `size` bytes; its first bytes say which container it is."""
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        raise WeightsError("the file is empty")
    header = int.from_bytes(head[:8], "little")
    if head[8:9] == b"{" and header < 2**32:
        if header > min(MAX_HEADER, size - 8):
            raise WeightsError(
                f"it is a broken or truncated safetensors file (a header of {header} bytes in a file of {size})"
            )
        tensors, own = _read_safetensors(path)
        return tensors, (), own, "safetensors", None
    if head.startswith(b"PK\x03\x04"):
        _check_zip(path, size)
        return _parts(_read_torch(path), "torch file", size)
    if head.startswith(LEGACY_TORCH):
        with path.open("rb") as file:
            file.seek(len(LEGACY_TORCH))
            for _ in range(4):  # protocol, system, value, keys of storages
                check_program(file)
        return _parts(_read_torch(path), "torch file", size)
    if head[0] not in PICKLE_STARTS:
        raise WeightsError(
            f"it is none of safetensors, torch file and pickle, or it is broken or truncated (its start: {head[:4]!r})"
        )
    if size > MAX_PICKLE:
        raise WeightsError(f"it is a pickle of {size / 1024**3:.1f} GiB; expected at most {MAX_PICKLE // 1024**3}")
    return _parts(load_pickle(path.read_bytes()), "pickle", size)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (no mapping)
    except Exception as error:  # safetensors raises its own, torch's and Python's
        raise WeightsError(f"it is a broken or truncated safetensors file ({str(error)[:160]})") from error
    if OWN_KEY not in metadata:
        return tensors, None
    try:
        own = json.loads(metadata[OWN_KEY])
    except (ValueError, RecursionError) as error:  # no JSON, a number of 5000 digits, 5000 brackets
        raise WeightsError(f"its metadata under 'videogn' is no JSON ({str(error)[:80]})") from error
    if not isinstance(own, dict):
        raise WeightsError(f"its metadata under 'videogn' is a {type(own).__name__}; expected an object")
    return tensors, _simple(own)


def _simple(own: Mapping[Any, Any]) -> dict[str, Any]:
    """Return what videogn wrote beside the tensors, safe to print: short strings, numbers, and flat lists of them."""

    def is_simple(value: Any) -> bool:
        if isinstance(value, str):
            return len(value) <= MAX_OWN
        return value is None or type(value) in (bool, float) or _is_short_int(value)

    for key, value in own.items():
        values = value if isinstance(value, list | tuple) else [value]
        if not is_simple(key) or len(values) > MAX_OWN or not all(map(is_simple, values)):
            raise WeightsError(f"what it says of itself under 'videogn' holds a strange {label(key)}")
    return dict(own)


def _is_short_int(value: Any) -> bool:
    return type(value) is int and value.bit_length() <= MAX_INT_BITS


def _check_zip(path: Path, size: int) -> None:
    """Refuse zips that torch.save does not write: without a pickle, compressed, larger inside than outside."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            names = {entry.filename for entry in entries}
            if any(name.endswith("/constants.pkl") for name in names):
                raise WeightsError("it is a TorchScript archive: save its state_dict() alone")
            if packed := [entry for entry in entries if entry.compress_type or entry.file_size != entry.compress_size]:
                raise WeightsError(f"it is a zip with a compressed {label(packed[0].filename)}: torch files are not")
            if sum(entry.file_size for entry in entries) > size or len(names) < len(entries):
                raise WeightsError("it is a zip whose parts overlap: refused")
            programs = [entry for entry in entries if entry.filename.rpartition("/")[2] == "data.pkl"]
            if not programs:
                raise WeightsError("it is a zip without data.pkl: no torch file")
            for entry in programs:
                with archive.open(entry) as file:
                    check_program(file)
    except WeightsError:
        raise
    except Exception as error:  # of a damaged zip
        raise WeightsError(f"it is a torch file that is broken or truncated ({str(error)[:120]})") from error


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
                f"it is a torch file whose pickle wants {wanted[1][:80]}: refused, and nothing of it was run; where "
                f"you trust it, save its tensors alone: torch.save(torch.load(FILE, weights_only=False)['state_dict'], "
                f"NEW) (of a whole model: .state_dict() in place of ['state_dict'])"
            ) from error
        raise WeightsError(
            f"it is a torch file that is broken, truncated, or holds more than tensors and plain values "
            f"({reason[:160]})"
        ) from error


def _parts(value: Any, container: str, size: int) -> _Parts:
    if not isinstance(value, Mapping):
        raise WeightsError(f"it holds a {type(value).__name__}; expected a dictionary of names and tensors")
    others: list[str] = []
    own = _own_header(value)
    config = next((value[name] for name in CONFIGS if isinstance(value.get(name), str)), None)
    for wrapper in WRAPPERS:
        inner = value.get(wrapper)
        if isinstance(inner, Mapping) and any(isinstance(each, Tensor | Array) for each in inner.values()):
            others += [name[:80] if isinstance(name, str) else label(name) for name in value if name != wrapper]
            value = inner
            break
    tensors: dict[str, Tensor] = {}
    spent = 0
    for key, each in value.items():
        if not isinstance(each, Tensor | Array) or not isinstance(key, str):
            others.append(key[:80] if isinstance(key, str) else label(key))
            continue
        name = key
        while name.startswith(PREFIXES):
            name = name.partition(".")[2]
        if name in tensors:
            raise WeightsError(f"it holds {label(name)} twice, with and without a prefix {' or '.join(PREFIXES)}")
        tensors[name] = each.to_tensor() if isinstance(each, Array) else _plain(name, each)
        spent += tensors[name].nbytes
        if spent > 4 * size:
            raise WeightsError("its tensors share their numbers: together they are over 4 times the file's size")
    if not tensors:
        keys = ", ".join([label(key) for key in list(value)[:10]]) + (", ..." if len(value) > 10 else "")
        raise WeightsError(
            f"unknown kind of weights: 0 tensors; it holds the keys {keys or '(none)'}; expected names of tensors, or "
            f"a dictionary of them under {', '.join(WRAPPERS)}"
        )
    return tensors, tuple(others), own, container, config


def _own_header(value: Mapping[Any, Any]) -> dict[str, Any] | None:
    """Return the architecture that videogn's checkpoints carry."""
    part = value.get(OWN_KEY)
    if part is None or not isinstance(value.get("state_dict"), Mapping):
        return None
    if not isinstance(part, Mapping) or not isinstance(part.get("architecture"), Mapping):
        raise WeightsError("its part 'videogn' holds no architecture: this is no checkpoint of videogn's")
    return _simple(part["architecture"])


def _plain(name: str, tensor: Tensor) -> Tensor:
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
        raise WeightsError(f"{label(name)} is no plain tensor (sparse, quantized or without data)")
    if tensor.nbytes > tensor.untyped_storage().nbytes():
        raise WeightsError(f"{label(name)}, of the shape {list(tensor.shape)}, repeats fewer numbers: it was expanded")
    return tensor.detach()

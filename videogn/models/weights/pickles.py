"""Caffe2's pickles, read without running anything that they name.

A pickle is a small program that calls what it names. Here every name that NumPy's arrays need leads to a stand-in of
ours that only notes its arguments; any other name is refused before it is looked up. The notes are checked and become
tensors afterwards: no callable of NumPy's, or of anyone else's, is ever handed to the file.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Callable
from math import prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from videogn.models.weights.errors import WeightsError

DTYPE_CODE = re.compile(r"[<>|=]?([fi][248]|[iub]1)")
ORDERS: dict[Any, Literal["<", ">", "=", "|"]] = {"<": "<", ">": ">", "=": "=", "|": "|"}
MAX_DIMENSIONS = 8
# What no pickle of plain values and arrays contains: objects built past their callables, names by number or by
# persistent id, buffers from elsewhere.
FORBIDDEN_OPCODES = frozenset(
    {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
    | {"NEXT_BUFFER", "READONLY_BUFFER"}
)


class DType:
    """Notes of a NumPy dtype: its code and byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_flags: Any) -> None:
        self.code: Any = code
        self.order: Any = "="

    def __setstate__(self, state: Any) -> None:
        _, self.order, subarray, names, fields = state[:5]
        if (subarray, names, fields) != (None, None, None):
            raise WeightsError("it holds an array of records; expected plain numbers")

    def to_numpy(self) -> np.dtype[Any]:
        code = self.code.decode("latin1") if isinstance(self.code, bytes) else self.code
        if not isinstance(code, str) or not DTYPE_CODE.fullmatch(code):
            raise WeightsError(f"it holds an array of {code!r}; expected plain numbers (f4, f8, i8, ...)")
        if not isinstance(self.order, str) or self.order not in ORDERS:
            raise WeightsError(f"it holds an array of the byte order {self.order!r}")
        return np.dtype(code) if code[0] in "<>" else np.dtype(code).newbyteorder(ORDERS[self.order])


class Array:
    """Notes of a NumPy array: shape, dtype, order of its axes, raw bytes."""

    __slots__ = ("data", "dtype", "fortran", "shape")

    def __init__(self, shape: Any = None, dtype: Any = None, fortran: Any = False, data: Any = None) -> None:
        self.shape, self.dtype, self.fortran, self.data = shape, dtype, fortran, data

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def to_tensor(self) -> Tensor:
        """A tensor of its own memory, in the machine's byte order.

        Raises:
            WeightsError: Not plain numbers, or the bytes do not fill the shape.
        """
        if not isinstance(self.dtype, DType):
            raise WeightsError("it holds an array without a dtype")
        dtype = self.dtype.to_numpy()
        data = self.data.encode("latin1") if isinstance(self.data, str) else self.data
        shape = self.shape
        if not isinstance(data, bytes | bytearray):
            raise WeightsError(f"it holds an array whose data is a {type(data).__name__}; expected bytes")
        if (
            not isinstance(shape, tuple)
            or len(shape) > MAX_DIMENSIONS
            or not all(isinstance(size, int) and size >= 0 for size in shape)
        ):
            raise WeightsError(f"it holds an array of the shape {str(shape)[:80]}")
        if prod(shape) * dtype.itemsize != len(data):
            raise WeightsError(
                f"it holds an array of the shape {list(shape)} with {len(data)} bytes; "
                f"expected {prod(shape)} x {dtype.itemsize}"
            )
        values: np.ndarray[Any, Any] = np.ndarray(shape, dtype, data, order="F" if self.fortran else "C")
        return torch.from_numpy(np.array(values, dtype=dtype.newbyteorder("="), order="C"))


class Mapping(dict[Any, Any]):
    """An OrderedDict's content; attributes that were set on it are dropped."""

    def __setstate__(self, state: Any) -> None:
        pass


class Name:
    """What a pickle gets for a name: it can be called, and nothing else can be done to it."""

    __slots__ = ("_call",)
    _call: Callable[..., Any]

    def __init__(self, call: Callable[..., Any]) -> None:
        object.__setattr__(self, "_call", call)

    def __call__(self, *args: Any) -> Any:
        return self._call(*args)

    def __setattr__(self, name: str, value: Any) -> None:
        raise WeightsError("it sets attributes of a library")

    def __setstate__(self, state: Any) -> None:
        raise WeightsError("it sets attributes of a library")


def _encode(text: Any, encoding: Any) -> bytes:
    if not isinstance(text, str) or encoding != "latin1":
        raise WeightsError(f"it encodes bytes as {encoding!r}; expected latin1")
    return text.encode("latin1")


def _frombuffer(data: Any, dtype: Any, shape: Any, order: Any) -> Array:
    return Array(shape, dtype, order == "F", data)


def _names() -> dict[tuple[str, str], Name]:
    arrays = {"_reconstruct": lambda *_: Array(), "scalar": lambda dtype, data: Array((), dtype, False, data)}
    known = {
        (f"numpy.{core}.multiarray", name): Name(call) for core in ("core", "_core") for name, call in arrays.items()
    }
    known |= {(f"numpy.{core}.numeric", "_frombuffer"): Name(_frombuffer) for core in ("core", "_core")}
    known["numpy", "ndarray"] = Name(lambda *_: Array())
    known["numpy", "dtype"] = Name(DType)
    known["_codecs", "encode"] = Name(_encode)
    known["collections", "OrderedDict"] = Name(lambda *items: Mapping(*items))
    return known


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._names = _names()

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise WeightsError(f"it is a pickle that wants {module}.{name}: refused, and nothing of it was run")
        return self._names[module, name]

    def persistent_load(self, pid: Any) -> Any:
        raise WeightsError("it is a pickle that wants an object from elsewhere: refused")


def load_pickle(data: bytes) -> Any:
    """The value of a pickle: plain types, and Array where it holds arrays.

    Args:
        data: All of the file.

    Raises:
        WeightsError: Broken, truncated, or it names anything beside NumPy's arrays; nothing of it was run.
    """
    _check_opcodes(data)
    try:
        return _Unpickler(data).load()
    except WeightsError:
        raise
    except Exception as error:  # the machine of a damaged pickle may fail in any way
        raise WeightsError(f"it is a broken pickle ({type(error).__name__}: {str(error)[:120]})") from error


def _check_opcodes(data: bytes) -> None:
    """Walks over the program without running it: it is whole, and holds no opcode or memo that arrays do not need."""
    refused = None
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(data)):
            if opcode.name in FORBIDDEN_OPCODES:
                refused = refused or f"it is a pickle that wants {opcode.name} objects"
            # The machine allots memory for the largest index of its memo: picklers count them up.
            if opcode.name in {"PUT", "BINPUT", "LONG_BINPUT"} and int(argument or 0) > count + 1:
                refused = refused or "it is a pickle with a memo that no pickler writes"
    except Exception as error:  # any bytes may follow any
        raise WeightsError(
            f"it is none of safetensors, torch file and pickle, or it is broken or truncated ({str(error)[:120]})"
        ) from error
    if refused:
        raise WeightsError(f"{refused}: refused, and nothing of it was run")

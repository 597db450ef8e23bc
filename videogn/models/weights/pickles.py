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
from typing import IO, Any, Literal

import numpy as np
import torch
from torch import Tensor

from videogn.models.weights import WeightsError

DTYPE_CODE = re.compile(r"[<>|=]?([fi][248]|[iub]1)")
ORDERS: dict[Any, Literal["<", ">", "=", "|"]] = {"<": "<", ">": ">", "=": "=", "|": "|"}
MAX_DIMENSIONS = 8
# Of no pickle of arrays: objects past their callables, names by number or persistent id, buffers from elsewhere, sets.
FORBIDDEN_OPCODES = frozenset(
    {"PERSID", "BINPERSID", "EXT1", "EXT2", "EXT4", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX"}
    | {"NEXT_BUFFER", "READONLY_BUFFER", "EMPTY_SET", "ADDITEMS", "FROZENSET"}
)
# What a pickler writes only for what contains itself; with DUP, few bytes make exponentially much.
STACK_OPCODES = frozenset({"DUP", "POP", "POP_MARK"})
# Real files stay far below: tens of thousands of opcodes, state tuples of 5 to 9 items, a tuple of 1000 classes.
MAX_OPCODES = 5_000_000
MAX_TUPLE = 10_000  # items, those of inner tuples counted as often as they are reached
MAX_KEY = 32  # the same, of a tuple as a dictionary's key
REFUSED = "refused, and nothing of it was run"
HELP = "; where you trust it, load it with what wrote it, and pickle a dictionary of names and plain NumPy arrays alone"
MAX_INT_BITS = 64  # torch files may hold more: the states of generators


class DType:
    """Notes of a NumPy dtype: its code and byte order."""

    __slots__ = ("code", "order")

    def __init__(self, code: Any, *_flags: Any) -> None:
        self.code, self.order = code, "="

    def __setstate__(self, state: Any) -> None:
        _, self.order, subarray, names, fields = state[:5]
        if (subarray, names, fields) != (None, None, None):
            raise WeightsError("it holds an array of records; expected plain numbers")

    def to_numpy(self) -> np.dtype[Any]:
        code = self.code.decode("latin1") if isinstance(self.code, bytes) else self.code
        if not isinstance(code, str) or not DTYPE_CODE.fullmatch(code):
            raise WeightsError(f"it holds an array of {label(code)}; expected plain numbers (f4, f8, i8, ...)")
        if not isinstance(self.order, str) or self.order not in ORDERS:
            raise WeightsError(f"it holds an array of the byte order {label(self.order)}")
        return np.dtype(code) if code[0] in "<>" else np.dtype(code).newbyteorder(ORDERS[self.order])


class Array:
    """Notes of a NumPy array: shape, dtype, order of its axes, raw bytes."""

    __slots__ = ("data", "dtype", "fortran", "shape")

    def __init__(self, shape: Any = None, dtype: Any = None, fortran: Any = False, data: Any = None) -> None:
        self.shape, self.dtype, self.fortran, self.data = shape, dtype, fortran, data

    def __setstate__(self, state: Any) -> None:
        _, self.shape, self.dtype, self.fortran, self.data = state

    def to_tensor(self) -> Tensor:
        """Return a tensor with its own memory, in this machine's byte order; WeightsError if it is no plain numbers."""
        dtype = self.dtype.to_numpy() if isinstance(self.dtype, DType) else None
        if dtype is None:
            raise WeightsError("it holds an array without a dtype")
        shape, data = self.shape, self.data.encode("latin1") if isinstance(self.data, str) else self.data
        if not isinstance(data, bytes | bytearray):
            raise WeightsError(f"it holds an array whose data is a {type(data).__name__}; expected bytes")
        if type(shape) is not tuple or len(shape) > MAX_DIMENSIONS or {type(size) for size in shape} - {int}:
            raise WeightsError("it holds an array whose shape is no short tuple of whole numbers")
        if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(data):
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

    def __setattr__(self, name: Any, value: Any = None) -> None:
        raise WeightsError("it sets attributes of a library")

    __setstate__ = __setattr__


def label(value: Any) -> str:
    """Return what an error may say of a value from a file: never the content of a container, which may be huge."""
    if isinstance(value, str):
        return repr(value[:80])
    return str(value) if type(value) is int and value.bit_length() <= MAX_INT_BITS else f"a {type(value).__name__}"


def _names(budget: int) -> dict[tuple[str, str], Name]:
    """Return what each name leads to; `budget` bounds the bytes and items that calls may make of shared ones."""

    def spend(amount: int) -> None:
        nonlocal budget
        budget -= amount
        if budget < 0:
            raise WeightsError("it is a pickle that makes more of its bytes than they are")

    def encode(text: Any, encoding: Any) -> bytes:
        if not isinstance(text, str) or encoding != "latin1":
            raise WeightsError(f"it encodes bytes as {label(encoding)}; expected latin1")
        spend(len(text))
        return text.encode("latin1")

    def ordered(items: Any = ()) -> Mapping:
        spend(len(items))
        if not all(type(key) is str for key, _ in items):
            raise WeightsError("it holds an OrderedDict with other keys than strings")
        return Mapping(items)

    arrays = {"_reconstruct": lambda *_: Array(), "scalar": lambda dtype, data: Array((), dtype, False, data)}
    known = {
        (f"numpy.{core}.multiarray", name): Name(call) for core in ("core", "_core") for name, call in arrays.items()
    }
    frombuffer = Name(lambda data, dtype, shape, order: Array(shape, dtype, order == "F", data))
    known |= {(f"numpy.{core}.numeric", "_frombuffer"): frombuffer for core in ("core", "_core")}
    known["numpy", "ndarray"] = Name(lambda *_: Array())
    known["numpy", "dtype"] = Name(DType)
    known["_codecs", "encode"] = Name(encode)
    known["collections", "OrderedDict"] = Name(ordered)
    return known


class _Unpickler(pickle.Unpickler):
    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data), encoding="latin1")
        self._names = _names(2 * len(data) + 1024)

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in self._names:
            raise WeightsError(f"it is a pickle that wants {f'{module}.{name}'[:80]}: {REFUSED}{HELP}")
        return self._names[module, name]


def load_pickle(data: bytes) -> Any:
    """Return the value of a pickle, of which `data` is all: plain types, and Array where it holds arrays.

    Raises:
        WeightsError: Broken, truncated, or it names anything beside NumPy's arrays; nothing of it was run.
    """
    check_program(io.BytesIO(data), FORBIDDEN_OPCODES)
    try:
        return _Unpickler(data).load()
    except WeightsError:
        raise
    except Exception as error:  # the machine of a damaged pickle may fail in any way
        raise WeightsError(f"it is a broken pickle ({type(error).__name__}: {str(error)[:120]})") from error


def check_program(file: IO[bytes], forbidden: frozenset[str] = frozenset()) -> None:
    """Walk over one pickle without running it, and leave the file behind it.

    WeightsError where it is broken or truncated, has a forbidden opcode, a memo that takes gigabytes, or a tuple that
    would take forever to hash or to print because it reaches the same inner tuples again and again.
    """
    machine = _Machine()
    try:
        for count, (opcode, argument, _) in enumerate(pickletools.genops(file)):
            name, refused = opcode.name, None
            if name in forbidden or name in STACK_OPCODES:
                refused = f"that wants {name} objects"
            # The unpickler allots memory for the largest index of its memo: picklers count them up.
            elif name in {"PUT", "BINPUT", "LONG_BINPUT"} and int(argument or 0) > count + 1:
                refused = "with a memo that no pickler writes"
            elif count >= MAX_OPCODES:
                refused = f"of over {MAX_OPCODES} opcodes"
            elif forbidden and isinstance(argument, int) and argument.bit_length() > MAX_INT_BITS:
                refused = f"with a number of {argument.bit_length()} bits"
            elif machine.step(opcode, argument) > MAX_TUPLE:
                refused = f"with a tuple of over {MAX_TUPLE} items, or one of over {MAX_KEY} as a key"
            if refused:
                raise WeightsError(f"it is a pickle {refused}: {REFUSED}{HELP if name in forbidden else ''}")
    except WeightsError:
        raise
    except Exception as error:  # any bytes may follow any
        raise WeightsError(
            f"it is none of safetensors, torch file and pickle, or it is broken or truncated ({str(error)[:120]})"
        ) from error


class _Machine:
    """The unpickler's stack and memo, with the sizes of tuples in place of values: 1 for all else, 0 for a mark."""

    def __init__(self) -> None:
        self.stack: list[int] = []
        self.memo: dict[int, int] = {}

    def step(self, opcode: pickletools.OpcodeInfo, argument: Any) -> int:
        """Do what an opcode does to the stack; return the size of a new tuple, more than any for too large a key."""
        name, stack = opcode.name, self.stack
        if name == "MEMOIZE" or name.endswith("PUT"):
            self.memo[len(self.memo) if name == "MEMOIZE" else int(argument)] = stack[-1] or self._underflow()
        elif name.endswith("GET"):
            stack.append(self.memo[int(argument)])
        elif name == "MARK":
            stack.append(0)
        else:
            before, inner = opcode.stack_before, []
            if pickletools.markobject in before:
                while size := stack.pop():
                    inner.append(size)
                before = before[: before.index(pickletools.markobject)]
            below = [stack.pop() or self._underflow() for _ in before]  # the last first, as `inner` is
            is_tuple = name.startswith("TUPLE")
            stack.extend([1 + sum(inner + below)] if is_tuple else [1] * len(opcode.stack_after))
            keys = inner[1::2] if name in {"DICT", "SETITEMS"} else below[1:2] if name == "SETITEM" else []
            return stack[-1] if is_tuple else MAX_TUPLE + 1 if max(keys, default=0) > MAX_KEY else 1
        return 1

    def _underflow(self) -> int:
        raise ValueError("it takes a mark for a value")

"""Files that are broken, or that want to run something: a clear refusal, and nothing runs."""

import builtins
import contextlib
import os
import pickle
import warnings
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from tests.models.weights.files import caffe2_names, dump, python2_pickle, resnet14, save, write
from videogn.models.weights import WeightsError, read_weights
from videogn.models.weights.pickles import Array, load_pickle
from videogn.models.weights.reading import read_file


class Runs:
    """Pickles into a call."""

    def __init__(self, function, *args):
        self.call = (function, args)

    def __reduce__(self):
        return self.call


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    return tmp_path / "canary"


def hostile(canary: Path) -> dict[str, object]:
    touch = f"touch {canary}"
    weight = np.ones((64, 3, 7, 7), dtype=np.float32)
    return {
        "os.system": Runs(os.system, touch),
        "nested": {"blobs": {"conv1_w": weight, "deep": [{"x": (Runs(os.system, touch),)}]}},
        "eval": {"blobs": {"conv1_w": Runs(builtins.eval, f"open({str(canary)!r}, 'w')")}},
        "exec": Runs(builtins.exec, f"open({str(canary)!r}, 'w')"),
        "open": {"conv1_w": weight, "x": Runs(builtins.open, str(canary), "w")},
        "numpy's own eval": Runs(np.load, str(canary)),
        "dict subclass": {"a": Runs(getattr, OrderedDict, "fromkeys")},
        "Path": {"a": Path("/")},
    }


@pytest.mark.parametrize("name", list(hostile(Path())))
@pytest.mark.parametrize("container", ["pickle 0", "pickle 2", "pickle 4", "pickle 5", "torch", "legacy torch"])
def test_a_pickle_that_wants_to_run_something_is_refused(container, name, canary, tmp_path):
    value = hostile(canary)[name]
    path = tmp_path / "weights.pkl"
    if container.startswith("pickle"):
        dump(path, value, protocol=int(container[-1]))
    else:
        save(path, value, legacy=container == "legacy torch")
    with pytest.raises(WeightsError, match=r"wants [\w.]+: refused, and nothing of it was run"):
        read_weights(path)
    assert not canary.exists()


def test_the_same_pickles_do_run_where_nothing_is_refused(canary):
    """The canary sings: the test above tests something."""
    pickle.loads(pickle.dumps(hostile(canary)["nested"]))
    assert canary.exists()


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"\x80\x02cnumpy\ndtype\n(U\x02f4I0\nI1\ntR}(U\x08__call__cos\nsystem\nub.", id="attribute"),
        pytest.param(b"\x80\x02cnumpy\nndarray\n}U\x04callI1\nsb.", id="state of a name"),
        pytest.param(b"\x80\x02cnumpy\nndarray\nN}U\x05_callI1\ns\x86b.", id="slots of a name"),
        pytest.param(b"\x80\x02ccollections\nOrderedDict\n)\x81.", id="NEWOBJ"),
        pytest.param(b"\x80\x02(U\x02lsios\nsystem\n.", id="INST"),
        pytest.param(b"\x80\x02\x82\x01.", id="EXT1"),
        pytest.param(b"\x80\x02U\x02idQ.", id="BINPERSID"),
        pytest.param(b"\x80\x02}r\xff\xff\xff\x7f.", id="memo that takes gigabytes"),
        pytest.param(b"\x80\x04\x8e\xff\xff\xff\xff\xff\xff\xff\x0fabc.", id="string of exabytes"),
        pytest.param(b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.", id="dotted name"),
        pytest.param(b"\x80\x02cnumpy.core.multiarray\nfromstring\n.", id="another of numpy's"),
        pytest.param(b"\x80\x02c_codecs\nencode\n(U\x01aU\x03zipttR.", id="another codec"),
    ],
)
def test_programs_that_no_pickler_writes_are_refused(program):
    with pytest.raises(WeightsError):
        load_pickle(program)
    with pytest.raises(WeightsError):  # and the refusal has left nothing behind
        load_pickle(program)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    for content in (data, b"\x80\x02" + data, b"\x80\x02cnumpy\nndarray\n" + data):
        with contextlib.suppress(WeightsError):
            load_pickle(content)


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(
    "array",
    [
        np.arange(24, dtype="<f4").reshape(2, 3, 4),
        np.asfortranarray(np.arange(6, dtype="f8").reshape(2, 3)),
        np.arange(6, dtype=">f4").reshape(3, 2),
        np.arange(4, dtype=">i8"),
        np.array(3.5, dtype="f4"),
        np.float32(2.5),
        np.zeros((0, 3), dtype="f4"),
        np.array([True, False]),
        np.arange(3, dtype="f2"),
    ],
    ids=lambda array: f"{array.dtype.str}{list(array.shape)}",
)
def test_arrays_come_back_as_numpy_reads_them(array, protocol):
    if protocol < 3 and array.size == 0:
        pytest.skip("empty bytes at old protocols want a builtin: refused")
    got = load_pickle(pickle.dumps({"a": array}, protocol=protocol))["a"]
    assert isinstance(got, Array)
    assert np.array_equal(got.to_tensor().numpy(), array)
    assert got.to_tensor().shape == array.shape


def test_what_python_2_wrote_is_what_numpy_reads():
    blobs = caffe2_names(resnet14().state_dict(), "bn")
    content = python2_pickle(blobs)
    numpys = pickle.loads(content, encoding="latin1")["blobs"]
    ours = load_pickle(content)["blobs"]
    assert set(numpys) == set(ours) == set(blobs)
    assert all(np.array_equal(numpys[name], ours[name].to_tensor().numpy()) for name in blobs)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.array([{"a": 1}, None], dtype=object), "plain numbers|broken pickle"),
        (np.array(["a", "b"]), "plain numbers"),
        (np.zeros(2, dtype=[("a", "f4"), ("b", "i4")]), "records|plain numbers"),
        (np.array(["2020-01-01"], dtype="M8[D]"), "plain numbers|broken pickle"),
        (np.zeros(2, dtype=np.complex64), "plain numbers"),
    ],
)
def test_arrays_of_anything_but_numbers_are_refused(value, message, tmp_path):
    with pytest.raises(WeightsError, match=message):
        read_file(dump(tmp_path / "w.pkl", {"conv1_w": value}))


def test_arrays_whose_bytes_do_not_fill_them_are_refused(tmp_path):
    content = python2_pickle({"conv1_w": np.zeros((2, 3), dtype=np.float32)})
    assert content.count(b"J\x03\x00\x00\x00t") == 1  # the second size
    for size in (b"\x04\x00\x00\x00", b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff"):
        wrong = content.replace(b"J\x03\x00\x00\x00t", b"J" + size + b"t")
        with pytest.raises(WeightsError, match=r"array of the shape .*2, "):
            read_file(write(tmp_path / "w.pkl", wrong))


def containers(folder: Path) -> dict[str, Path]:
    state = resnet14().state_dict()
    save_file(state, folder / "w.safetensors")
    return {
        "safetensors": folder / "w.safetensors",
        "torch": save(folder / "w.pth", state),
        "legacy torch": save(folder / "legacy.pth", state, legacy=True),
        "pickle": write(folder / "w.pkl", python2_pickle(caffe2_names(state, "bn"))),
        "pickle 5": dump(folder / "w5.pkl", caffe2_names(state, "bn"), protocol=5),
    }


@pytest.mark.parametrize("container", ["safetensors", "torch", "legacy torch", "pickle", "pickle 5"])
def test_truncated_files_of_every_container_are_refused(container, tmp_path):
    path = containers(tmp_path)[container]
    assert read_weights(path).anatomy.depth == 14  # whole, it is read whatever its name says
    content = path.read_bytes()
    for kept in (9, 100, len(content) // 2, len(content) - 10):
        write(tmp_path / "cut", content[:kept])
        with pytest.raises(WeightsError, match=r"cut: .*(broken|truncated)"):
            read_weights(tmp_path / "cut")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (np.random.default_rng(0).bytes(5000), "broken or truncated"),
        (b"<html><body>404 Not Found</body></html>", "none of safetensors, torch file and pickle"),
        (b"PK\x03\x04" + bytes(100), "torch file that is broken"),
        (pickle.dumps([1, 2, 3]), "it holds a list; expected a dictionary"),
        (pickle.dumps({"a": 1}), "unknown kind of weights: 0 tensors"),
    ],
)
def test_other_files_are_refused(content, message, tmp_path):
    with pytest.raises(WeightsError, match=message):
        read_weights(write(tmp_path / "file", content))


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(WeightsError, match="no such file"):
        read_weights(tmp_path / "none.pth")
    with pytest.raises(WeightsError, match="a folder, not a weights file"):
        read_weights(tmp_path)


def test_a_torchscript_archive_is_refused(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), tmp_path / "script.pt")
    with pytest.raises(WeightsError, match="torch file that is broken, truncated, or holds more"):
        read_weights(tmp_path / "script.pt")

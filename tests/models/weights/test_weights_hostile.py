"""Files that are broken, or that want to run something: a clear refusal, and nothing runs."""

import argparse
import builtins
import contextlib
import os
import pickle
import warnings
import zipfile
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
from videogn.models.weights.containers import read_file
from videogn.models.weights.pickles import Array, load_pickle


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
    with pytest.raises(WeightsError, match="TorchScript archive: save its state_dict"):
        read_weights(tmp_path / "script.pt")


DOUBLED = b"(t" + b"".join(b"q%ch%ch%c\x86" % (i, i, i) for i in range(60))  # a tuple of 2**60 items
DOUBLED_0 = b"(t" + b"".join(b"p%d\n0g%d\ng%d\n\x86" % (i, i, i) for i in range(60))
DUPLICATED = b"I0\n" + b"2\x86" * 60
ARRAY = b"cnumpy\nndarray\n)R(I1\n%s%sI0\nU\x04abcdtb"
FLOAT = b"cnumpy\ndtype\n(U\x02f4I0\nI1\ntR"


@pytest.mark.parametrize("bomb", [DOUBLED, DOUBLED_0, DUPLICATED], ids=["shared", "shared, POP", "DUP"])
@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02}%sI1\ns.",
        b"\x80\x02}(%sI1\nu.",
        b"\x80\x02(%sI1\nd.",
        b"\x80\x02ccollections\nOrderedDict\n(](](%sI1\neatR.",
        b"\x80\x02}(U\x01a" + ARRAY % (b"%s", FLOAT) + b"u.",
        b"\x80\x02}(U\x01acnumpy\ndtype\n(%sI0\nI1\ntRu.",
        b"\x80\x02}(U\x01ac_codecs\nencode\n(U\x01a%stRu.",
        b"\x80\x04\x8f(%s\x90.",
    ],
    ids=["SETITEM", "SETITEMS", "DICT", "OrderedDict", "shape", "dtype", "encoding", "set"],
)
def test_tuples_without_end_are_refused_at_once(program, bomb, tmp_path):
    with pytest.raises(WeightsError, match=r"pickle (with a tuple of over|that wants \w+ objects).*refused"):
        read_file(write(tmp_path / "w.pkl", program % bomb))


def test_torch_files_with_tuples_without_end_are_refused_at_once(tmp_path):
    path = save(tmp_path / "w.pth", {"a": torch.zeros(1)})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["w/data.pkl"] = b"\x80\x02}%sK\x01s." % DOUBLED
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(WeightsError, match="tuple of over"):
        read_file(path)
    legacy = save(tmp_path / "legacy.pth", {"a": torch.zeros(1)}, legacy=True).read_bytes()
    assert legacy.count(b"}q\x00X\x01\x00\x00\x00a") == 1
    write(path, legacy.replace(b"}q\x00X\x01\x00\x00\x00a", b"}q\x00" + DOUBLED))
    with pytest.raises(WeightsError, match="tuple of over"):
        read_file(path)


def test_tuples_that_real_files_hold_are_read(tmp_path):
    classes = tuple(f"class {index}" for index in range(1000))
    value = {"a": np.zeros(3, dtype="f4"), "meta": {"classes": classes, "sizes": {(1, (2, 3)): 4}}}
    for protocol in range(6):
        assert load_pickle(pickle.dumps(value, protocol=protocol))["meta"] == value["meta"]
    tensors = {"a": torch.zeros(3), "meta": {**value["meta"], "generator": 2**127}}
    assert set(read_file(save(tmp_path / "w.pth", tensors)).tensors) == {"a"}


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(b"\x80\x02}(U\x01a" + ARRAY % (b"(" * 100_000 + b"t" * 100_000, FLOAT) + b"u.", id="deep shape"),
        pytest.param(b"\x80\x02}(U\x01a" + ARRAY % (b"(" * 9_000 + b"t" * 9_000, FLOAT) + b"u.", id="less deep shape"),
        pytest.param(b"\x80\x02}(U\x01a" + ARRAY % (b"]\x85", FLOAT) + b"u.", id="list in a shape"),
        pytest.param(b"\x80\x02}(U\x01a" + ARRAY % (b"(I0\nI-1\nt", FLOAT) + b"u.", id="negative shape"),
        pytest.param(b"\x80\x02}(U\x01a" + ARRAY % (b"(I%d\nt" % 10**4000, FLOAT) + b"u.", id="huge shape"),
        pytest.param(pickle.dumps({10**5000: 1}), id="huge key"),
        pytest.param(b"(I%d\nI1\nd." % 10**4000, id="huge key in decimals"),
        pytest.param(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".", id="deep list"),
    ],
)
def test_depths_and_numbers_without_end_are_refused(program, tmp_path):
    with pytest.raises(WeightsError):
        read_file(write(tmp_path / "w.pkl", program))


def test_bytes_that_are_multiplied_are_refused(tmp_path):
    text = b"T\x10\x27\x00\x00" + b"a" * 10_000
    encoded = b"c_codecs\nencode\nq\x00%sq\x01U\x06latin1\x86Rq\x02" % text
    again = b"h\x00h\x01U\x06latin1\x86R" * 100
    with pytest.raises(WeightsError, match="makes more of its bytes"):
        read_file(write(tmp_path / "w.pkl", b"\x80\x02](" + encoded + again + b"e."))
    array = b"cnumpy\nndarray\n)R(I1\nM\xc4\x09\x85" + FLOAT + b"I0\n%stb"
    blobs = b"".join(b"U\x02%02d" % i + array % (b"h\x00" if i else text + b"q\x00") for i in range(50))
    with pytest.raises(WeightsError, match="over 4 times the file's size"):
        read_file(write(tmp_path / "w.pkl", b"\x80\x02}(" + blobs + b"u."))
    expanded = {"a": torch.zeros(1).expand(10**13)}
    with pytest.raises(WeightsError, match=r"'a', of the shape \[10000000000000\], repeats fewer numbers"):
        read_file(save(tmp_path / "w.pth", expanded))
    shared = torch.zeros(10_000)
    with pytest.raises(WeightsError, match="over 4 times the file's size"):
        read_file(save(tmp_path / "w.pth", {f"a{i}": shared.view(i + 1, -1)[:] for i in [0, 1, 3, 4, 7, 9, 15]}))


@pytest.mark.parametrize("own", ["[" * 200_000, "9" * 6000, '{"norm": %s}' % ("9" * 6000), '{"norm": [[1]]}', "1"])
def test_strange_metadata_of_safetensors_is_refused(own, tmp_path):
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors", metadata={"videogn": own})
    with pytest.raises(WeightsError, match="'videogn'"):
        read_file(tmp_path / "w.safetensors")


@pytest.mark.parametrize("length", [50, 10**8 + 1, 2**31])
def test_headers_of_safetensors_longer_than_the_file_are_refused(length, tmp_path):
    path = write(tmp_path / "w", length.to_bytes(8, "little") + b"{" + b"[" * 40)
    if length > 50:
        os.truncate(path, 10**8 + 100)  # sparse
    with pytest.raises(WeightsError, match=f"a header of {length} bytes in a file of"):
        read_file(path)


def test_large_files_are_refused_by_their_start(tmp_path, monkeypatch):
    monkeypatch.setattr("hashlib.file_digest", None)
    path = write(tmp_path / "w", b"")
    os.truncate(path, 10 * 1024**3)  # sparse zeros
    with pytest.raises(WeightsError, match="none of safetensors, torch file and pickle"):
        read_file(path)
    with path.open("r+b") as file:
        file.write(b"\x80\x02}q\x00")
    with pytest.raises(WeightsError, match=r"a pickle of 10.0 GiB; expected at most 4"):
        read_file(path)


def test_zips_that_torch_does_not_write_are_refused(tmp_path):
    path = save(tmp_path / "w.pth", {"a": torch.zeros(10_000)})
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "packed.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    with pytest.raises(WeightsError, match="a zip with a compressed 'w/"):
        read_file(tmp_path / "packed.pth")
    np.savez(tmp_path / "w.npz", a=np.zeros(3))
    with pytest.raises(WeightsError, match=r"a zip without data.pkl: no torch file$"):
        read_file(tmp_path / "w.npz")


@pytest.mark.parametrize("legacy", [False, True])
def test_refusals_say_what_helps(legacy, tmp_path):
    helps = r"torch.save\(torch.load\(FILE, weights_only=False\)\['state_dict'\], NEW\) \(of a whole model: .state_dict"
    for value in (argparse.Namespace(lr=1), np.float64(3.5), torch.nn.Linear(2, 2)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a legacy file holds the model's source
            path = save(tmp_path / "w.pth", {"state_dict": {"a": torch.zeros(1)}, "x": value}, legacy=legacy)
        with pytest.raises(WeightsError, match=helps):
            read_file(path)
    with pytest.raises(WeightsError, match="pickle a dictionary of names and plain NumPy arrays alone"):
        read_file(dump(tmp_path / "w.pkl", {"a": argparse.Namespace(lr=1)}))


def test_unknown_wrappers_are_listed(tmp_path):
    path = save(tmp_path / "w.pth", {"net": {"a": torch.zeros(1)}, "epoch": 3, 7: None, (1, 2): 3})
    with pytest.raises(WeightsError, match=r"0 tensors; it holds the keys 'net', 'epoch', 7, a tuple; expected"):
        read_file(path)


def test_prefixes_of_compiled_models_are_taken_off(tmp_path):
    state = {f"module._orig_mod.{name}": tensor for name, tensor in resnet14().state_dict().items()}
    assert read_weights(save(tmp_path / "w.pth", state)).anatomy.depth == 14


def test_what_is_no_regular_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(WeightsError, match="not a regular file"):
            read_file(path)
    for path in (tmp_path / "none", write(tmp_path / "file", b"x") / "none"):
        with pytest.raises(WeightsError, match="no such file"):
            read_file(path)
    for path in (Path("x" * 5000), Path("nul\0")):
        with pytest.raises(WeightsError):
            read_file(path)


@pytest.mark.parametrize("program", ["}%sI1\ns.", "}(I0\nI1\n%sI1\nu.", "(I0\nI1\n%sI1\nd."])
def test_long_tuples_are_no_keys(program):
    for items, fits in ((20, True), (40, False)):
        content = b"\x80\x02" + (program % ("(" + "I7\n" * items + "t")).encode()
        with contextlib.nullcontext() if fits else pytest.raises(WeightsError, match="one of over 32 as a key"):
            assert (7,) * items in load_pickle(content)

"""What packets tell is kept between readings: the same frames, no second look, and nothing that stops a run."""

import os
import sqlite3
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch.utils.data import DataLoader

from tests.data.encodings import encode, tables, x264
from tests.videos import write_video
from videogn.data.dataset import TestDataset, TrainDataset, as_it_is
from videogn.data.decoding import PacketIndex, open_video
from videogn.data.decoding import pyav as pyav_module
from videogn.data.decoding.index import _from_bytes, _to_bytes
from videogn.data.decoding.packets import Scan
from videogn.data.lists.records import Records
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.testing import TestViews
from videogn.data.views.training import TrainViews


@pytest.fixture
def looks(monkeypatch) -> list[str]:
    """A word for each pass over a file's packets."""
    seen: list[str] = []
    scan = pyav_module.scan
    monkeypatch.setattr(pyav_module, "scan", lambda *args, **kwargs: seen.append("look") or scan(*args, **kwargs))
    return seen


def frames(path: Path, index: PacketIndex | None, indices: list[int]) -> np.ndarray:
    with open_video(path, index=index) as video:
        return np.stack([frame for _, frame in video.read(indices)])


def test_a_file_is_looked_through_once(tmp_path, video, looks):
    kept = tmp_path / "index.sqlite"
    expected = frames(video, None, [3, 40])
    assert looks == ["look"]
    for index in (PacketIndex(kept), PacketIndex(kept), PacketIndex(kept)):  # as other processes do
        np.testing.assert_array_equal(frames(video, index, [3, 40]), expected)
        np.testing.assert_array_equal(frames(video, index, [40]), expected[1:])
    assert looks == ["look"] * 2


def test_a_file_that_has_changed_is_looked_at_again(tmp_path, looks):
    index = PacketIndex(tmp_path / "index.sqlite")
    path = write_video(tmp_path / "a.mp4", num_frames=20)
    frames(path, index, [19])
    write_video(path, num_frames=30, seed=1)
    np.testing.assert_array_equal(frames(path, index, [29]), frames(path, None, [29]))
    os.utime(path, ns=(1, 1))
    frames(path, index, [29])
    assert len(looks) == 4


def test_files_that_tell_nothing_are_remembered_as_such(tmp_path, looks):
    path = encode(tmp_path / "a.avi", *x264(keyint=12, bframes=2), num_frames=20, seed=0)
    index = PacketIndex(tmp_path / "index.sqlite")
    expected = frames(path, None, [7, 19])
    for _ in range(3):
        np.testing.assert_array_equal(frames(path, index, [7, 19]), expected)
    assert len(looks) == 2


@settings(max_examples=200, deadline=None)
@given(tables())
def test_what_is_kept_comes_back(table):
    back = _from_bytes(_to_bytes(Scan(77, table)))
    assert back.num_packets == 77
    assert back.table is not None
    assert back.table.can_skip == table.can_skip
    for name in ("pts", "starts", "packet_of"):
        np.testing.assert_array_equal(getattr(back.table, name), getattr(table, name), err_msg=name)
    assert _from_bytes(_to_bytes(Scan(5, None))) == Scan(5, None)


@pytest.mark.parametrize("damage", ["a folder", "no database", "no folder"])
def test_what_cannot_be_kept_is_said_once_and_stops_nothing(tmp_path, video, damage):
    path = tmp_path / ("none/index.sqlite" if damage == "no folder" else "index.sqlite")
    if damage == "a folder":
        path.mkdir()
    elif damage == "no database":
        path.write_bytes(b"something else" * 1000)
    index = PacketIndex(path)
    with pytest.warns(UserWarning, match=r"index of packets can't be used .*: files are looked at again"):
        got = frames(video, index, [3, 40])
    np.testing.assert_array_equal(got, frames(video, None, [3, 40]))
    np.testing.assert_array_equal(frames(video, index, [3, 40]), got)  # and no word more


@pytest.mark.parametrize("entry", [b"", b"\0", _to_bytes(Scan(5, None))[:-3], zlib.compress(b"x")])
def test_an_entry_that_is_none_is_made_anew(tmp_path, video, looks, entry):
    path = tmp_path / "index.sqlite"
    expected = frames(video, PacketIndex(path), [3, 40])
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE scans SET scan = ?", (entry,))
    for _ in range(2):
        np.testing.assert_array_equal(frames(video, PacketIndex(path), [3, 40]), expected)
    assert len(looks) == 2


def test_names_that_are_no_text_are_kept_too(tmp_path, video, looks):
    odd = tmp_path / os.fsdecode(b"caf\xe9.mp4")
    odd.write_bytes(video.read_bytes())
    index = PacketIndex(tmp_path / "index.sqlite")
    for _ in range(3):
        frames(odd, index, [3])
    assert len(looks) == 1


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_share_it(tmp_path, data_root, start):
    records = Records([f"train/{place:02d}.mp4" for place in range(12)], labels=range(12), folder=str(data_root))
    index = PacketIndex(tmp_path / "index.sqlite")
    frames(data_root / "train" / "00.mp4", index, [0])  # the main process has it open when workers are forked
    keys = [(0, place) for place in range(12)]
    train = TrainViews(num_frames=4, frame_interval=2, scale_size=(32, 40), crop_size=32, flip_probability=0.5)
    test = TestViews(4, 2, 32, 32, PROTOCOLS["10x3"], "nonlocal")
    for kind, views in ((TrainDataset, train), (TestDataset, test)):
        settings = {"sampler": keys, "batch_size": 3, "collate_fn": as_it_is}
        alone = list(DataLoader(kind(records, views=views), **settings))
        dataset = kind(records, views=views, index=index)
        several = DataLoader(dataset, num_workers=2, multiprocessing_context=start, **settings)
        for batch, expected in zip(several, alone, strict=True):
            assert torch.equal(batch["labels"], expected["labels"])
            for views_of_one, expected_views in zip(batch["views"], expected["views"], strict=True):
                for view, expected_view in zip(views_of_one, expected_views, strict=True):
                    assert torch.equal(view, expected_view)
    with sqlite3.connect(index.path) as connection:
        assert connection.execute("SELECT count(*) FROM scans").fetchone() == (12,)

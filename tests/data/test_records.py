"""Records as arrays: what a list of objects would give, in memory that workers share."""

import operator
import pickle
import random
import tracemalloc
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from videogn.data.dataset import TrainDataset, as_it_is
from videogn.data.lists.records import CHUNK, Records, VideoRecord
from videogn.data.views.training import TrainViews

MANY = 250_000
# Any characters; what paths may be made of, with bytes that are no UTF-8 as Python has them; and half characters.
PARTS = ["a", "b c", ".", "..", "...", ".x", "x.", "", "\udcff.mp4", "\ud83d", "\ude00"]
PATH = st.text(min_size=1) | st.lists(st.sampled_from(PARTS), max_size=4).map("/".join).filter(len)
ROWS = st.lists(st.tuples(PATH, st.integers(0, 2**31 - 1), st.none() | PATH))
SLICES = st.builds(slice, *[st.none() | st.integers(-12, 12)] * 2, st.none() | st.sampled_from([-3, -1, 1, 2]))


def in_arrays(rows: list[tuple[str, int, str | None]], folder: str) -> tuple[Records, list[VideoRecord]]:
    """Records with files that are not their names, and the list that they stand for."""
    names, labels, files = map(list, zip(*rows, strict=True)) if rows else ([], [], [])
    plain = [
        VideoRecord(None if file is None else str(Path(folder, file)), label, place, name)
        for place, (name, label, file) in enumerate(rows)
    ]
    return Records(names, labels=labels, folder=folder, files=files), plain


@given(ROWS, st.sampled_from(["", ".", "/", "/data set", "below/ü", "a//./b/"]))
def test_records_are_those_of_a_list(rows, folder):
    records, plain = in_arrays(rows, folder)
    assert list(records) == plain
    assert [records[place] for place in range(len(records))] == plain
    assert [records[place] for place in range(-len(plain), 0)] == plain
    for outside in (len(plain), -len(plain) - 1):
        with pytest.raises(IndexError):
            records[outside]
    assert pickle.loads(pickle.dumps(records)) == records
    named = Records([name for name, _, _ in rows], labels=[label for _, label, _ in rows], folder=folder)
    assert [record.path for record in named] == [str(Path(folder, name)) for name, _, _ in rows]


@given(ROWS, SLICES, SLICES, st.data())
def test_parts_are_those_of_a_list(rows, first, second, data):
    records, plain = in_arrays(rows, "x")
    assert list(records[first]) == plain[first]
    assert list(records[first][second]) == plain[first][second]
    wanted = data.draw(st.lists(st.booleans(), min_size=len(plain[first]), max_size=len(plain[first])))
    chosen = [record for record, is_wanted in zip(plain[first], wanted, strict=True) if is_wanted]
    assert list(records[first].select(np.array(wanted, np.bool_))) == chosen


def test_a_sequence_like_any_other():
    records = Records([f"{place}.mp4" for place in range(3 * CHUNK)], labels=[3] * 3 * CHUNK)
    assert isinstance(records, Sequence)
    assert records[np.int64(5)].name == "5.mp4"
    assert records[-1] in records
    assert records.index(records[2000]) == 2000
    assert [record.index for record in records] == list(range(3 * CHUNK))
    assert records == records[:]
    assert records != records[::-1]
    assert records != records[:-1]
    assert records != list(records)
    with pytest.raises(TypeError):
        hash(records)


def many(count: int) -> Records:
    names = [f"a class of {place % 400}/video {place:08d}_000003_000013.mp4" for place in range(count)]
    return Records(names, labels=[place % 400 for place in range(count)], folder="/somewhere")


def test_choosing_makes_no_objects():
    records, wanted = many(20_000), np.arange(20_000) % 3 > 0
    tracemalloc.start()
    try:
        chosen = [records.select(wanted), records[::2]]
        made = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [len(some) for some in chosen] == [13_333, 10_000]
    assert made < 200_000  # bytes: fewer than 10 a record, and most of them the places in an array


def batches_of(dataset: TrainDataset, **settings) -> list:
    keys = [(epoch, place) for epoch in range(2) for place in (3, 0, 2, 1)]
    return list(DataLoader(dataset, sampler=keys, batch_size=2, collate_fn=as_it_is, **settings))


@pytest.mark.slow
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_give_the_same_batches(data_root, start):
    names = [f"train/{place:02d}.mp4" for place in range(8)]
    records = Records(names, labels=range(8), folder=str(data_root))[1::2]
    views = TrainViews(num_frames=4, frame_interval=2, scale_size=(32, 40), crop_size=32, flip_probability=0.5)
    dataset = TrainDataset(records, views=views, seed=3)
    expected = batches_of(dataset)
    assert [batch["indices"].tolist() for batch in expected[:2]] == [[7, 1], [5, 3]]
    for got, batch in zip(batches_of(dataset, num_workers=2, multiprocessing_context=start), expected, strict=True):
        assert all(torch.equal(got[name], batch[name]) for name in ("views", "labels", "indices", "weights"))
        assert got["failures"] == batch["failures"] == []


def private_bytes() -> int:
    """Memory that this process shares with no other."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean", "Private_Dirty")))


class ReadsThousands(Dataset):
    """Its one item: what a process has for itself after it has read records here and there."""

    def __init__(self, records: Sequence[VideoRecord]) -> None:
        self.records = records

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> int:
        draw = random.Random(0)
        for _ in range(4000):
            record = self.records[draw.randrange(len(self.records))]
            assert record.path.endswith(record.name)
        return private_bytes()


def of_a_worker(records: Sequence[VideoRecord], start: str) -> int:
    loader = DataLoader(
        ReadsThousands(records), num_workers=1, batch_size=None, collate_fn=int, multiprocessing_context=start
    )
    return next(iter(loader))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="the system does not tell")
@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_a_long_list_takes_no_memory_of_a_worker(start):
    of = partial(of_a_worker, start=start)
    short = of(many(10))
    records = many(MANY)
    assert of(records) - short < 3_000_000
    if start == "fork":  # the measure sees objects where there are some
        assert of(list(records)) - short > 10_000_000


@pytest.mark.slow
def test_spawned_workers_get_few_handles_and_no_copy():
    records = many(MANY)
    pickled = len(pickle.dumps(records))
    assert 60 * MANY < pickled < 75 * MANY  # bytes a record: its name of 44, and 16
    tensors = [value for part in (records, records._names) for value in vars(part).values() if torch.is_tensor(value)]
    assert len(tensors) == 4
    of_a_worker(records, "spawn")
    assert all(map(operator.methodcaller("is_shared"), tensors))
    assert list(records[::50_000]) == list(many(MANY)[::50_000])

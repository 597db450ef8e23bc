"""A file is written whole or not at all, whoever else writes it, and whatever they left there."""

import os
from pathlib import Path

import pytest

from videogn.ablation.atomic import write_atomically


def test_writers_of_one_number_on_several_machines_never_share_a_file(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "getpid", lambda: 7)
    names = []
    replace = Path.replace

    def record(self, target):
        names.append(self.name)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", record)
    for text in (b"one", b"two"):
        write_atomically(tmp_path / "a.json", text)
    assert len(set(names)) == 2
    assert (tmp_path / "a.json").read_bytes() == b"two"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_a_killed_writer_left_is_in_nobodys_way(tmp_path):
    (tmp_path / f".a.json.{os.getpid()}.tmp").mkdir()
    write_atomically(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"


def test_a_file_that_cannot_be_replaced_leaves_nothing_beside_it(tmp_path):
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OSError, match=r"a\.json"):
        write_atomically(tmp_path / "a.json", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]

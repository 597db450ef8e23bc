"""Which packet shows which frame, kept from one reading of a file to the next.

A pass over the packets of a ten-second clip costs 1 ms of 50; of a film, it reads the whole file for every clip. All
processes of a run share one SQLite file. What can't be kept costs time and nothing else: it is said once, and then
done without.
"""

from __future__ import annotations

import os
import sqlite3
import warnings
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding.packets import PacketTable, Scan, packets_of_frames

LAYOUT = 3  # of what is stored, and of what a scan finds: counts up with any change to either
_TABLE = "CREATE TABLE IF NOT EXISTS scans (path BLOB PRIMARY KEY, state TEXT, scan BLOB) WITHOUT ROWID"
_GET = "SELECT scan FROM scans WHERE path = ? AND state = ?"
_PUT = "INSERT OR REPLACE INTO scans VALUES (?, ?, ?)"
_WAIT_SECONDS = 5.0


class PacketIndex:
    """Scans of files, by path; of a file that has changed since (size, time), nothing is known."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._is_usable = True

    def get(self, video: str) -> Scan | None:
        """Return what is known of a file."""
        if not self._is_usable or not os.path.exists(self.path):
            return None
        try:
            with self._open() as connection:
                row = connection.execute(_GET, (_key(video), _state(video))).fetchone()
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)
            return None
        return _from_bytes(row[0]) if row is not None else None

    def put(self, video: str, scan: Scan) -> None:
        """Keep what was found of a file."""
        if not self._is_usable:
            return
        try:
            with self._open() as connection:
                connection.execute(_PUT, (_key(video), _state(video), _to_bytes(scan)))
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        # Opened each time (0.1 ms): a connection must not be carried into a forked process.
        with closing(sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")  # a machine that crashes may cost the index, and no more
            connection.execute(_TABLE)
            yield connection

    def _give_up(self, error: Exception) -> None:
        self._is_usable = False
        reason = f"{self.path}: the index of packets can't be used ({error}): files are looked at again each time"
        warnings.warn(reason, stacklevel=3)


def _key(video: str) -> bytes:
    return os.fsencode(os.path.abspath(video))


def _state(video: str) -> str:
    """Return what a scan depends on."""
    status = os.stat(video)
    return f"{LAYOUT} {av.__version__} {status.st_size} {status.st_mtime_ns}"


def _to_bytes(scan: Scan) -> bytes:
    table = scan.table
    if table is None:
        numbers = np.array([scan.num_packets, 0])
    else:
        hidden = np.setdiff1d(np.arange(len(table.pts)), table.packet_of)
        sizes = [scan.num_packets, 1 + table.can_skip, len(table.pts), len(table.starts)]
        # Differences repeat: they take a tenth of the room.
        numbers = np.concatenate([sizes, np.diff(table.pts, prepend=0), table.starts, hidden])
    return zlib.compress(numbers.astype("<i8").tobytes(), 1)


def _from_bytes(data: bytes) -> Scan | None:
    """Return the scan; None for what is none."""
    try:
        numbers: NDArray[np.int64] = np.frombuffer(zlib.decompress(data), "<i8").astype(np.int64)
        num_packets, kind = numbers[:2].tolist()
        if not kind:
            return Scan(num_packets, None)
        num_pts, num_starts = numbers[2:4].tolist()
        pts, starts, hidden = np.split(numbers[4:], [num_pts, num_pts + num_starts])
        is_shown = np.ones(num_pts, bool)
        is_shown[hidden] = False
    except (zlib.error, ValueError, IndexError, TypeError):
        return None
    pts = np.cumsum(pts)
    return Scan(num_packets, PacketTable(pts, starts, packets_of_frames(pts, is_shown), can_skip=kind == 2))

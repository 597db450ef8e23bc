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
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from videogn.data.decoding.packets import PacketTable, Scan, packets_of_frames

LAYOUT = 1  # of what is stored, and of what a scan finds: counts up with any change to either
_TABLE = "CREATE TABLE IF NOT EXISTS scans (path TEXT PRIMARY KEY, state TEXT, scan BLOB) WITHOUT ROWID"
_WAIT_SECONDS = 5.0


class PacketIndex:
    """Scans of files, by path; of a file that has changed since (size, time), nothing is known.

    Args:
        path: The file that keeps them; made when there is something to keep.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)
        self._connection: sqlite3.Connection | None = None
        self._inherited: sqlite3.Connection | None = None
        self._process: int | None = None  # of the connection: no other may use it
        self._is_usable = True

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_connection": None, "_inherited": None, "_process": None}

    def get(self, video: str) -> Scan | None:
        """What is known of a file."""
        try:
            connection, state = self._connect(), _state(video)
            if connection is None:
                return None
            query = "SELECT scan FROM scans WHERE path = ? AND state = ?"
            row = connection.execute(query, (os.path.abspath(video), state)).fetchone()
            return _from_bytes(row[0]) if row is not None else None
        except (sqlite3.Error, OSError, ValueError, zlib.error) as error:
            self._give_up(error)
            return None

    def put(self, video: str, scan: Scan) -> None:
        """Keeps what was found of a file."""
        try:
            if (connection := self._connect()) is not None:
                values = (os.path.abspath(video), _state(video), _to_bytes(scan))
                connection.execute("INSERT OR REPLACE INTO scans VALUES (?, ?, ?)", values)
        except (sqlite3.Error, OSError) as error:
            self._give_up(error)

    def _connect(self) -> sqlite3.Connection | None:
        if self._is_usable and self._process != os.getpid():
            self._inherited = self._connection  # kept as it is: closing it would close it for the process that made it
            # Autocommit; a crash may cost the last entries, never the file's soundness.
            self._connection = sqlite3.connect(self.path, timeout=_WAIT_SECONDS, isolation_level=None)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(_TABLE)
            self._process = os.getpid()
        return self._connection if self._is_usable else None

    def _give_up(self, error: Exception) -> None:
        self._is_usable = False
        reason = f"{self.path}: the index of packets can't be used ({error}): files are looked at anew each time"
        warnings.warn(reason, stacklevel=2)


def _state(video: str) -> str:
    status = os.stat(video)
    return f"{LAYOUT} {status.st_size} {status.st_mtime_ns}"


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


def _from_bytes(data: bytes) -> Scan:
    numbers: NDArray[np.int64] = np.frombuffer(zlib.decompress(data), "<i8").astype(np.int64)
    num_packets, kind = numbers[:2].tolist()
    if not kind:
        return Scan(num_packets, None)
    num_pts, num_starts = numbers[2:4].tolist()
    pts, starts, hidden = np.split(numbers[4:], [num_pts, num_pts + num_starts])
    pts = np.cumsum(pts)
    is_shown = np.ones(num_pts, bool)
    is_shown[hidden] = False
    return Scan(num_packets, PacketTable(pts, starts, packets_of_frames(pts, is_shown), can_skip=kind == 2))

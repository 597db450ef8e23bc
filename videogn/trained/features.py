"""What a layer says of many videos, in one file: written in parts, and put in place whole.

Shapes: N rows, C channels.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from videogn.data.lists.records import Records
from videogn.files import replacing, write_json
from videogn.trained.model import Features, TrainedModel
from videogn.trained.names import Per
from videogn.wording import counted

# Of each row, in the order of the file, widest first so that each begins at a multiple of its own size: dtype by
# safetensors' name, and shape; the width of `features` comes with the first video.
_COLUMNS: dict[str, tuple[str, type[np.generic], tuple[int, ...]]] = {
    "video": ("I64", np.int64, ()),
    "clip": ("I64", np.int64, ()),
    "crop": ("I64", np.int64, ()),
    "frames": ("I64", np.int64, (2,)),
    "seconds": ("F64", np.float64, (2,)),
    "features": ("F32", np.float32, ()),
}
Columns = Mapping[str, IO[bytes]]
# Readers of .safetensors refuse a header of more than 100 MB, and it holds the videos' names.
_MOST_NAMES_BYTES = 50_000_000


@dataclass
class Written:
    """What a file of features holds.

    Attributes:
        num_rows: N.
        num_channels: C.
        videos: Paths of the videos that could be decoded, in the order of the rows.
        failed: Paths of the others, and why they could not.
    """

    num_rows: int = 0
    num_channels: int = 0
    videos: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def write_features(
    model: TrainedModel,
    videos: Records,
    out: Path,
    *,
    layer: str | None = None,
    per: Per = "video",
    about: dict[str, Any],
    on_done: Callable[[str, object, int, int], None] = lambda *_: None,
) -> Written:
    """Write what a layer says of videos: `features` float32 [N, C], and where each row is from.

    Beside `features`: `video` [N], the place in the list `videos`; `clip` and `crop` [N], -1 where a row is the mean of
    all; `frames` [N, 2], the first and the last; `seconds` [N, 2], when the first begins and the last ends by the
    file's frame rate, nan where it says none. A .safetensors file has them all, and the paths as JSON in its metadata
    (`videos`, `failed`, `about`); beside a .npy file, which has the features alone, a .json file has the rest. Rows go
    to the disk as they come: of all videos only their names stay in memory.

    Args:
        out: The file, .safetensors or .npy. It takes the place of one that is there, when all of it is written.
        about: Kept with it, in plain types.
        on_done: Told of each video: its path, why it could not be decoded if so, how many are done, of how many.

    Raises:
        ValueError: None of the videos can be decoded, their names are too many for the file, or the network has no such
            layer.
        OSError: There is no room for it.
    """
    written = Written()
    if out.suffix == ".safetensors" and (size := sum(len(json.dumps(one.path)) for one in videos)) > _MOST_NAMES_BYTES:
        raise ValueError(
            f"the names of {len(videos):,} videos are {size / 1e6:.0f} MB, too many for a .safetensors file (at most "
            f"{_MOST_NAMES_BYTES / 1e6:.0f}): write a .npy file, or several files"
        )
    with ExitStack() as stack:
        columns = {name: stack.enter_context(TemporaryFile(dir=out.parent)) for name in _COLUMNS}
        for place, found in enumerate(model.features_of(videos, layer=layer, per=per)):
            if found.error is None:
                _append(columns, found, video=len(written.videos))
                written.videos.append(found.path)
                written.num_rows += len(found.values)
                written.num_channels = found.values.shape[1]
            else:
                written.failed[found.path] = found.error
            on_done(found.path, found.error and found.error.removeprefix(f"{found.path}: "), place + 1, len(videos))
        if not written.videos:
            first = next(iter(written.failed.values()))
            raise ValueError(f"0 of {counted(len(videos), 'video')} could be decoded; the first: {first}")
        with replacing(out) as partial, partial.open("wb") as file:
            if out.suffix == ".npy":
                _write_npy(file, columns, written, index=out.with_suffix(".json"), about=about)
            else:
                _write_safetensors(file, columns, written, about=about)
    return written


def _append(columns: Columns, found: Features, *, video: int) -> None:
    frames = np.array(found.frames, np.int64)
    rows = {
        "video": [video] * len(frames),
        "clip": [-1 if clip is None else clip for clip in found.clip],
        "crop": [-1 if crop is None else crop for crop in found.crop],
        "frames": frames,
        "seconds": (frames + np.array([0, 1])) / (found.rate or np.nan),
        "features": found.values.numpy(),
    }
    for name, (_, dtype, _) in _COLUMNS.items():
        columns[name].write(np.ascontiguousarray(rows[name], dtype).tobytes())


def _shape(name: str, written: Written) -> list[int]:
    return [written.num_rows, *((written.num_channels,) if name == "features" else _COLUMNS[name][2])]


def _write_safetensors(file: IO[bytes], columns: Columns, written: Written, *, about: Any) -> None:
    # By hand: safetensors.save_file makes bytes of all tensors first. Names that are no UTF-8 are escaped by the inner
    # JSON, as the outer one may not have them.
    texts = {"videos": written.videos, "failed": written.failed, "about": about}
    header: dict[str, Any] = {
        "__metadata__": {"format": "pt", **{name: json.dumps(value) for name, value in texts.items()}}
    }
    begin = 0
    for name, (of_file, _, _) in _COLUMNS.items():
        end = begin + columns[name].tell()
        header[name] = {"dtype": of_file, "shape": _shape(name, written), "data_offsets": [begin, end]}
        begin = end
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for column in columns.values():
        _copy(column, file)


def _write_npy(file: IO[bytes], columns: Columns, written: Written, *, index: Path, about: Any) -> None:
    shape = tuple(_shape("features", written))
    np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
    _copy(columns["features"], file)
    rows: dict[str, Any] = {}
    for name, (_, dtype, _) in _COLUMNS.items():
        if name != "features":
            columns[name].seek(0)
            rows[name] = np.frombuffer(columns[name].read(), dtype).reshape(_shape(name, written)).tolist()
    if np.isnan(rows["seconds"]).any():  # JSON has no nan
        rows["seconds"] = [[None if second != second else second for second in row] for row in rows["seconds"]]
    write_json(index, {"about": about, "videos": written.videos, "failed": written.failed, **rows})


def _copy(column: IO[bytes], file: IO[bytes]) -> None:
    column.seek(0)
    shutil.copyfileobj(column, file, 2**22)

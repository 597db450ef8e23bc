"""The embedded data set "motions": H.264 files, made here from a seed, where motion is the class and looks say nothing.

Eight classes, in pairs that are time reversals of each other: left and right, up and down, turn_left and turn_right,
grow and shrink. `motions_render` draws the frames, and its text argues why no single frame can tell the class. This
module writes the files. Length, frame rate and picture size vary from file to file, without regard to the class.

A horizontal flip exchanges left with right AND turn_left with turn_right: do not flip in training on this set.

Every video depends on (seed, split, index) alone, and the encoder runs on one thread: a seed gives the same bytes
whatever the number of processes, on one machine with one set of library versions (`motions.json` names them).
"""

import json
import multiprocessing
import shutil
import uuid
from collections.abc import Callable, Generator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from videogn.data.motions.render import CLASSES, render_motion
from videogn.machine import available_cores

__all__ = ["CLASSES", "GENERATOR_VERSION", "render_motion", "synthesize"]

NUM_TRAIN, NUM_VAL = 1280, 320
GENERATOR_VERSION = 2  # counts up with any change to the bytes that a seed gives

# In this order for ever: its place here is what a split's videos are drawn from.
_SPLITS = ("train", "val", "test")
_SHORT_SIDES_PX = range(64, 82, 2)
_LONGEST_ASPECT = 4 / 3
_NUM_FRAMES = range(24, 49)
_FRAME_RATES = (12, 15, 24, 25, 30)
# Frames predicted from frames, as in files from elsewhere, with a keyframe at least every 12 so that no file has only
# one. At crf 20 a file has some 24 kB, and a net found no trace of motion in one decoded frame; with mbtree and one
# keyframe at crf 38, it found some. One thread alone doesn't give the same bytes each time: with x264's mbtree (on by
# default), 18 of 60 videos of such sizes came out in several ways over 10 runs; without it, or without x264's
# assembler code, none did.
_X264_OPTIONS = {"preset": "veryfast", "crf": "20", "g": "12", "mbtree": "0", "threads": "1"}
_CHUNK_SIZE = 16


@dataclass(frozen=True, kw_only=True)
class _Job:
    """One video to write below `folder`: the one at `index` of a split."""

    folder: Path
    seed: int
    split: str
    index: int

    @property
    def label(self) -> int:
        return self.index % len(CLASSES)

    @property
    def relative_path(self) -> str:
        return f"videos/{self.split}/{CLASSES[self.label]}/{self.index:04d}.mp4"


def synthesize(
    root: Path,
    *,
    num_train: int = NUM_TRAIN,
    num_val: int = NUM_VAL,
    num_test: int | None = None,
    seed: int = 0,
    num_workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Make the data set in the folder `root`; one that is there already, made with the same parameters, is left alone.

    Writes videos/{train,val,test}/CLASS/NNNN.mp4, train.csv, val.csv and test.csv (`relative/path class_name` a line),
    classes.txt (one class a line, in label order) and motions.json (parameters and versions). Classes take turns, so
    their counts differ by one at most. All is written in a hidden folder beside `root` that is renamed at the end: a
    run that was interrupted leaves no `root`.

    Args:
        root: a folder that does not exist or is empty; its parents are made.
        num_train: videos in the training split.
        num_val: videos in the validation split.
        num_test: videos in the test split; None for as many as validate.
        seed: picks the data set; 0 or above.
        num_workers: processes that draw and encode; None for one a core, 0 or 1 for this process alone. They are
            spawned: a script that asks for more than one needs the usual `if __name__ == "__main__":`.
        on_progress: called in this process with (videos done, videos in all), every few videos.

    Raises:
        ValueError: a count or the seed is out of range, or `root` holds something else, a set made otherwise, or a
            set with files missing.
    """
    num_test = num_val if num_test is None else num_test
    if min(num_train, num_val, num_test) < 1:
        raise ValueError(
            f"num_train is {num_train}, num_val is {num_val} and num_test is {num_test}; expected at least 1 each, "
            f"and {len(CLASSES)} for one video of each class"
        )
    if seed < 0:
        raise ValueError(f"seed is {seed}; expected 0 or above")
    if num_workers is not None and num_workers < 0:
        raise ValueError(f"num_workers is {num_workers}; expected 0 or above, or None for one a core")
    if num_workers is None:
        num_workers = available_cores()
    root = Path(root).resolve()
    parameters = {
        "seed": seed,
        "num_train": num_train,
        "num_val": num_val,
        "num_test": num_test,
        "generator_version": GENERATOR_VERSION,
    }
    if _is_made(root, parameters):
        return
    root.parent.mkdir(parents=True, exist_ok=True)
    partial = root.parent / f".{root.name}.{uuid.uuid4().hex}.partial"
    partial.mkdir()
    try:
        jobs = _list_jobs(partial, parameters)
        _write_lists(partial, jobs, parameters)
        _write_videos(jobs, num_workers=num_workers, on_progress=on_progress)
        _move_into_place(partial, root, parameters)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _is_made(root: Path, parameters: dict[str, int]) -> bool:
    """Return whether `root` holds this set; False where it may be made; ValueError where something is in the way."""
    if not root.exists():
        return False
    if not root.is_dir():
        raise ValueError(f"{root} is a file; expected a folder for the motions data set: choose another place")
    if not any(root.iterdir()):
        return False
    try:
        record = json.loads((root / "motions.json").read_text(encoding="utf-8"))
        found = {name: record.get(name, 0) if name == "num_test" else record[name] for name in parameters}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{root} holds something other than a motions data set (its motions.json: {error!r}); "
            "choose another folder, or empty this one"
        ) from error
    if found != parameters:
        raise ValueError(
            f"{root} holds a motions data set made with {found}; expected {parameters}: "
            "choose another folder, or remove this one to make it again"
        )
    names = [f"{split}.csv" for split in _SPLITS] + ["classes.txt"]
    names += [job.relative_path for job in _list_jobs(root, parameters)]
    missing = [name for name in names if not (root / name).is_file()]
    if missing:
        raise ValueError(
            f"{root} holds a motions data set that lacks {len(missing)} of its files, {missing[0]} for one; "
            "remove the folder to make it again"
        )
    return True


def _list_jobs(folder: Path, parameters: dict[str, int]) -> list[_Job]:
    return [
        _Job(folder=folder, seed=parameters["seed"], split=split, index=index)
        for split in _SPLITS
        for index in range(parameters[f"num_{split}"])
    ]


def _write_lists(folder: Path, jobs: list[_Job], parameters: dict[str, int]) -> None:
    """Write everything but the videos, and makes the folders these go into."""
    for split in _SPLITS:
        lines = [f"{job.relative_path} {CLASSES[job.label]}\n" for job in jobs if job.split == split]
        (folder / f"{split}.csv").write_text("".join(lines), encoding="utf-8")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), encoding="utf-8")
    libraries = {
        name: ".".join(map(str, av.library_versions[name])) for name in ("libavcodec", "libavformat", "libswscale")
    }
    record = {
        "generator": __name__,
        **parameters,
        "encoded_with": {"av": av.__version__, **libraries},
        "drawn_with": {"numpy": np.__version__},
    }
    (folder / "motions.json").write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    for parent in {(folder / job.relative_path).parent for job in jobs}:
        parent.mkdir(parents=True)


def _write_videos(jobs: list[_Job], *, num_workers: int, on_progress: Callable[[int, int], None] | None) -> None:
    chunks = [jobs[start : start + _CHUNK_SIZE] for start in range(0, len(jobs), _CHUNK_SIZE)]
    num_done = 0
    with closing(_write_chunks(chunks, num_workers=min(num_workers, len(chunks)))) as sizes:
        for size in sizes:
            num_done += size
            if on_progress is not None:
                on_progress(num_done, len(jobs))


def _write_chunks(chunks: list[list[_Job]], *, num_workers: int) -> Generator[int, None, None]:
    """Yield the chunks' sizes as they get done, in any order. Once closed, no process writes any more."""
    if num_workers <= 1:
        yield from map(_write_chunk, chunks)
        return
    with ProcessPoolExecutor(num_workers, mp_context=multiprocessing.get_context("spawn")) as executor:
        futures = [executor.submit(_write_chunk, chunk) for chunk in chunks]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            executor.shutdown(cancel_futures=True)


def _write_chunk(jobs: list[_Job]) -> int:
    for job in jobs:
        _write_video(job)
    return len(jobs)


def _write_video(job: _Job) -> None:
    """Draw and encode one video; the label is used for nothing but the motion and the path."""
    rng = np.random.default_rng(np.random.SeedSequence(job.seed, spawn_key=(_SPLITS.index(job.split), job.index)))
    num_frames = int(rng.choice(_NUM_FRAMES))
    rate = int(rng.choice(_FRAME_RATES))
    short_side = int(rng.choice(_SHORT_SIDES_PX))
    long_side = 2 * round(short_side * rng.uniform(1.0, _LONGEST_ASPECT) / 2)
    height, width = (short_side, long_side) if rng.random() < 0.7 else (long_side, short_side)
    frames = render_motion(rng, job.label, num_frames=num_frames, height=height, width=width)
    _encode(job.folder / job.relative_path, frames, rate=rate)


def _encode(path: Path, frames: np.ndarray, *, rate: int) -> None:
    """Write uint8 RGB frames [T, H, W, 3], H and W even, as H.264 with 4:2:0 chroma."""
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=rate, options=_X264_OPTIONS)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = "yuv420p"
        stream.thread_count = 1
        for index, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _move_into_place(partial: Path, root: Path, parameters: dict[str, int]) -> None:
    try:
        partial.replace(root)  # takes the place of an empty folder, too
    except OSError:
        if not _is_made(root, parameters):  # made meanwhile by another process: just as good
            raise

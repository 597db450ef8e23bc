"""Videos that fail while a run is under way: each costs itself, whatever it does to the process that decodes it."""

import math
import multiprocessing
import os
import re
import signal
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from videogn.data.datamodule import KineticsDataModule
from videogn.data.decoding import DecodeError
from videogn.data.decoding.pyav import PyAVVideo, _Unexpected
from videogn.data.known import Known, TooManyFailed
from videogn.data.loader import WorkersDied

DEADLY = "train/04.mp4", "val/03.mp4"
# torch warns of more workers than cores.
pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def module(root: Path, num_workers: int = 0, **settings) -> KineticsDataModule:
    base = {"num_frames": 8, "crop_size": 32, "scale_size": (32, 40), "test_scale_size": 32, "test_crop_size": 32}
    return KineticsDataModule(str(root), **{**base, "batch_size": 2, "num_workers": num_workers, **settings})


def train_clips(data: KineticsDataModule) -> list[tuple[int, float, bytes]]:
    """(place in the list, weight, pixels) of each clip of an epoch, in order."""
    return [
        (int(place), float(weight), views.numpy().tobytes())
        for batch in data.train_dataloader()
        for place, weight, views in zip(batch["indices"], batch["weights"], batch["views"], strict=True)
    ]


def failures(data: KineticsDataModule) -> dict[int, str]:
    """Why clips of an epoch are missing, by their places in the list."""
    return {place: reason for batch in data.train_dataloader() for place, reason in batch["failures"]}


def test_views(data: KineticsDataModule) -> list[tuple[int, bytes]]:
    return [
        (int(place), torch.stack(list(views)).numpy().tobytes())
        for batch in data.val_dataloader()
        for place, views in zip(batch["indices"], batch["views"], strict=True)
    ]


test_views.__test__ = False


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch):
    """Has a function look at the path of each file before it is read, in processes that decode."""

    def watched(look) -> None:
        read = PyAVVideo.read

        def reading(self, *args, **settings):
            if multiprocessing.parent_process() is not None:
                look(self.path)
            return read(self, *args, **settings)

        monkeypatch.setattr(PyAVVideo, "read", reading)

    return watched


def end(number: signal.Signals):
    def look(path: str) -> None:
        if path.endswith(DEADLY):
            os.kill(os.getpid(), number)

    return look


@pytest.mark.parametrize(("num_workers", "number"), [(1, signal.SIGKILL), (2, signal.SIGTRAP)])
def test_a_decoder_that_ends_its_process_costs_its_video_and_changes_no_other(data_root, reads, num_workers, number):
    clips, views = train_clips(module(data_root)), test_views(module(data_root))
    reads(end(number))
    data = module(data_root, num_workers)
    found = train_clips(data)
    lost = [place for place, weight, _ in found if not weight]
    assert lost == [4]
    assert [clip for clip in found if clip[0] != 4] == [clip for clip in clips if clip[0] != 4]
    assert [place for place, *_ in found] == [place for place, *_ in clips]
    assert failures(data)[4].endswith(f"train/04.mp4: its decoder ended the process, twice ({ended(number)})")
    assert test_views(data) == [each for each in views if each[0] != 3]
    assert [place for batch in data.val_dataloader() for place, _ in batch["failures"]] == [3]


def ended(number: signal.Signals) -> str:
    return f"ended by signal {number:d} ({signal.strsignal(number)})"


def test_a_death_that_no_video_caused_costs_nothing(data_root, reads, tmp_path, capfd):
    clips = train_clips(module(data_root))

    def once(path: str) -> None:
        if path.endswith(DEADLY) and not (tmp_path / "once").exists():
            (tmp_path / "once").touch()
            os.kill(os.getpid(), signal.SIGKILL)

    reads(once)
    data = module(data_root, 2)
    assert train_clips(data) == clips
    assert not failures(data)
    assert (
        f"ended by signal 9 (Killed) while it read {data_root}/train/04.mp4, which can be read"
        in capfd.readouterr().err
    )


def test_deaths_between_two_passes_cost_nothing(data_root):
    for loader in (module(data_root, 2).train_dataloader(), module(data_root, 2).val_dataloader()):
        once = [(batch["indices"].tolist(), [views.clone() for views in batch["views"][0]]) for batch in loader]
        for worker in loader._iterator._workers:
            worker.kill()
            worker.join()
        again = [(batch["indices"].tolist(), list(batch["views"][0])) for batch in loader]
        assert [places for places, _ in again] == [places for places, _ in once]
        for (_, expected), (_, views) in zip(once, again, strict=True):
            assert torch.equal(torch.stack(views), torch.stack(expected))
        assert not loader.dataset.known.lost


def test_deaths_without_end_that_no_video_causes_end_the_run(data_root, reads):
    def look(path: str) -> None:
        if torch.utils.data.get_worker_info() is not None:  # read alone, each is read
            os.kill(os.getpid(), signal.SIGKILL)

    reads(look)
    with pytest.raises(WorkersDied, match=r"a process that decodes \(\d+\) ended by signal 9"):
        train_clips(module(data_root, 1))


def test_a_reading_that_takes_too_long_fails_with_its_time(data_root, monkeypatch):
    packets = PyAVVideo._packets

    def slow(self, stream):
        for packet in packets(self, stream):
            time.sleep(0.2 * self.path.endswith(DEADLY))
            yield packet

    monkeypatch.setattr(PyAVVideo, "_packets", slow)
    data = module(data_root, decode_seconds=2)
    found = train_clips(data)
    assert [place for place, weight, _ in found if not weight] == [4]
    batch = next(batch for batch in data.train_dataloader() if batch["failures"])
    assert "train/04.mp4: reading it took longer than 2 s: it was given up after 2." in batch["failures"][0][1]


def test_a_call_that_hangs_is_ended_with_its_process(data_root, reads):
    reads(lambda path: time.sleep(60 * path.endswith(DEADLY)))
    data = module(data_root, 1, decode_seconds=1.5)
    found = train_clips(data)
    assert [place for place, weight, _ in found if not weight] == [4]
    reason = "reading it took longer than 1.5 s: its process was ended after 3 s, in a call of the decoder"
    assert reason in failures(data)[4]


def test_what_is_known_holds_from_its_epoch_on_and_comes_back_from_plain_types():
    known = Known()
    known.add_failed(3, "a.mp4: broken", first_epoch=2)
    known.add_in_full(5, first_epoch=1)
    assert [known.reason(3, epoch=epoch) for epoch in (1, 2, 3)] == [None, *["a.mp4: broken"] * 2]
    assert [known.reads_in_full(5, epoch=epoch) for epoch in (0, 1)] == [False, True]
    known.add_failed(3, "a.mp4: later", first_epoch=4)
    other = Known()
    other.add(known.to_plain())
    assert (other.failed, other.in_full) == (known.failed, known.in_full) == ({3: (2, "a.mp4: broken")}, {5: 1})


def test_more_failures_than_the_share_allows_stop_a_run_and_name_files():
    known = Known()
    for place in range(5):
        known.check(share=0.5, num_videos=8, name="test")
        known.add_failed(place, f"{place}.mp4: broken", first_epoch=0)
    with pytest.raises(
        TooManyFailed,
        match=r"^5 of 8 test videos failed so far, more than --data.skip_undecodable 0.5 allows: 0.mp4: broken; "
        r"1.mp4: broken; 2.mp4: broken; \.\.\.\. Leave them out .*skip_undecodable 0.63 lets as many fail$",
    ):
        known.check(share=0.5, num_videos=8, name="test")
    known.check(share=5 / 8, num_videos=8, name="test")


def test_a_share_is_a_number(data_root):
    assert module(data_root, skip_undecodable=False).skip_undecodable == 0  # as earlier configs have it
    with pytest.raises(
        ValueError, match=r"skip_undecodable is true; expected the share .* give --data.skip_undecodable 0.01$"
    ):
        module(data_root, skip_undecodable=True)
    with pytest.raises(ValueError, match="skip_undecodable is 2; expected a share"):
        module(data_root, skip_undecodable=2)


def test_a_file_that_lied_is_decoded_in_full_at_once_from_the_next_epoch_on(data_root, monkeypatch):
    planned, decode = [], PyAVVideo._decode_planned

    def lying(self, *args):
        planned.append(self.path)
        if self.path.endswith(DEADLY):
            raise _Unexpected
        return decode(self, *args)

    clips = [train_clips(module(data_root)), test_views(module(data_root))]
    monkeypatch.setattr(PyAVVideo, "_decode_planned", lying)
    data = module(data_root)
    loader = data.train_dataloader()
    told = [place for batch in loader for place in batch["in_full"]]
    assert told == [4]
    data.known["train"].add_in_full(4, first_epoch=1)
    planned.clear()
    loader.sampler.set_epoch(1)
    again = list(loader)
    assert not any(batch["in_full"] for batch in again)
    assert len(planned) == 11  # of 12 videos
    assert not any(path.endswith("04.mp4") for path in planned)
    assert [train_clips(data), test_views(data)] == clips


class Stopped:
    """A process that decodes and is stopped by SIGSTOP at a place, for some seconds, once."""

    def __init__(self, folder: Path, seconds: float) -> None:
        self.once, self.seconds = folder / "once", seconds

    def __call__(self, path: str) -> None:
        if path.endswith(DEADLY) and not self.once.exists():
            self.once.touch()
            pid = os.getpid()
            subprocess.run(["sh", "-c", f"(sleep {self.seconds}; kill -CONT {pid}) > /dev/null 2>&1 &"], check=True)
            os.kill(pid, signal.SIGSTOP)


@pytest.mark.parametrize("num_workers", [1, 3])
def test_a_process_that_was_suspended_costs_no_video(data_root, reads, tmp_path, num_workers):
    clips = train_clips(module(data_root))
    reads(Stopped(tmp_path, 5))
    assert train_clips(module(data_root, num_workers, decode_seconds=2)) == clips
    assert (tmp_path / "once").exists()


def test_a_suspension_within_a_reading_is_not_its_time(data_root, monkeypatch, tmp_path):
    """By a clock of the reading itself: it goes on after longer than it may take."""
    clips = train_clips(module(data_root))
    packets = PyAVVideo._packets
    suspend = Stopped(tmp_path, 5)

    def suspended(self, stream):
        for packet in packets(self, stream):
            suspend(self.path)
            yield packet

    monkeypatch.setattr(PyAVVideo, "_packets", suspended)
    assert train_clips(module(data_root, decode_seconds=4)) == clips
    assert suspend.once.exists()


@pytest.mark.parametrize("seconds", [0, -1, math.nan, math.inf, 1e300])
def test_a_reading_has_a_time_that_a_timer_takes(data_root, seconds):
    with pytest.raises(ValueError, match=f"decode_seconds is {re.escape(str(seconds))}; expected seconds, more than 0"):
        module(data_root, decode_seconds=seconds)


@pytest.mark.parametrize("alone", [True, False])
def test_a_decoder_that_ends_its_process_well_costs_its_video(data_root, reads, alone):
    """Such as a library that calls exit(0); read alone, it may be read."""

    def look(path: str) -> None:
        if path.endswith(DEADLY) and (alone or torch.utils.data.get_worker_info() is not None):
            os._exit(0)

    reads(look)
    data = module(data_root, 2)
    if not alone:
        with pytest.raises(WorkersDied, match="ended with status 0"):
            train_clips(data)
        return
    found = train_clips(data)
    assert [place for place, weight, _ in found if not weight] == [4]
    assert "its decoder ended the process, twice (ended with status 0)" in failures(data)[4]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_all_processes_is_no_videos_fault(data_root, reads, tmp_path, number):
    """As Ctrl-C sends it, while a video is read alone; a run that does not end by it goes on."""
    clips = train_clips(module(data_root))

    def look(path: str) -> None:
        if not path.endswith(DEADLY):
            return
        if torch.utils.data.get_worker_info() is not None and not (tmp_path / "once").exists():
            (tmp_path / "once").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        os.kill(os.getpid(), number)
        time.sleep(0.1)

    reads(look)
    data = module(data_root, 1)
    assert train_clips(data) == clips


@pytest.fixture(scope="module")
def uneven(data_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 9 videos and of 3, which come twice each in an epoch of equal classes."""
    root = tmp_path_factory.mktemp("uneven")
    os.link(data_root / "val/00.mp4", root / "v.mp4")
    for split, number in (("train", 12), ("val", 2)):
        (root / split).mkdir()
        for place in range(number):
            os.link(data_root / f"{split}/{place:02d}.mp4", root / f"{split}/{place:02d}.mp4")
        lines = [f"{split}/{place:02d}.mp4 {('many', 'few')[place in (1, 4, 6)]}" for place in range(number)]
        (root / f"{split}.csv").write_text("\n".join(lines))
    return root


def sequence(data: KineticsDataModule) -> list[tuple[int, int, bool]]:
    """(epoch, place in the list, whether it is missing) of each clip of two epochs, as a training takes them."""
    found = []
    loader = data.train_dataloader()
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)
        for batch in loader:
            missing = set(batch["missing"])
            found += [(epoch, int(place), row in missing) for row, place in enumerate(batch["indices"])]
            data._note(batch, "train", epoch=epoch)
            time.sleep(0.02)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("how", "clips_per_video"),
    [
        ("raises", 2),
        ("raises at some clips", 1),
        ("ends", 1),
        ("ends at some clips", 1),
        ("ends at some clips", 2),
    ],
)
def test_which_clips_are_missing_does_not_depend_on_the_number_of_workers(uneven, monkeypatch, how, clips_per_video):
    """Of a video that comes twice in an epoch, with a decoder that fails always, or at the later one's clips alone."""
    read, from_frame = PyAVVideo.read, {1: 22, 2: 33}[clips_per_video] if "some" in how else 0

    def reading(self, indices, **settings):
        if self.path.endswith("train/04.mp4"):
            if max(indices) < from_frame:
                time.sleep(1)  # the earlier one, which another process that reads the later one overtakes
            elif "raises" in how:
                raise DecodeError(self.path, "broken")
            else:
                os.kill(os.getpid(), signal.SIGKILL)
        return read(self, indices, **settings)

    monkeypatch.setattr(PyAVVideo, "read", reading)
    more = {"balanced_sampling": True, "skip_undecodable": 1, "seed": 1, "clips_per_video": clips_per_video}
    found = {}
    for workers in (0, 1, 2, 3)[how.startswith("ends") :]:
        data = module(uneven, workers, **more)
        data.trainer = SimpleNamespace(
            accumulate_grad_batches=clips_per_video,
            global_rank=0,
            world_size=1,
            fit_loop=SimpleNamespace(epoch_progress=SimpleNamespace(current=SimpleNamespace(processed=0))),
        )
        found[workers] = sequence(data), data.known["train"].to_plain()
    first = next(iter(found.values()))
    for each in found.values():
        assert each == first
    lost = [is_missing for epoch, place, is_missing in first[0] if (epoch, place) == (0, 4)]
    assert len(lost) == 2 * clips_per_video
    assert lost == [*[from_frame == 0] * clips_per_video, *[True] * clips_per_video]
    assert all(is_missing for epoch, place, is_missing in first[0] if (epoch, place) == (1, 4))

"""What workers hand over takes no room in /dev/shm, which containers give 64 MB; what has no room anywhere is said."""

import gc
import os
import sys
from pathlib import Path

import pytest
import torch
from torch.multiprocessing import get_sharing_strategy

from tests.small_disks import largest_file, with_a_small_disk
from videogn.data.datamodule import KineticsDataModule

pytestmark = pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="memory without a file is Linux's")
SETTINGS = {"num_frames": 8, "crop_size": 64, "scale_size": 64, "test_scale_size": 64, "test_crop_size": 64}
CODE = """
import hashlib, os, sys
from videogn.data.datamodule import KineticsDataModule

def digest(tensors):
    return hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()

module = KineticsDataModule(sys.argv[1], **SETTINGS, batch_size=4, num_workers=int(sys.argv[2]))
for loader in (module.train_dataloader(), module.test_dataloader()):
    if loader.num_workers:
        loader.timeout = 60  # rather than wait forever
    kept = []  # all at once, as where the network is slower than the workers
    for batch in loader:
        if not kept and loader.num_workers:
            with open("/dev/shm/other", "wb", buffering=0) as other:  # another program takes the rest
                try:
                    while True:
                        other.write(bytes(4096))
                except OSError:
                    print("full:", os.statvfs("/dev/shm").f_bavail, file=sys.stderr)
        kept.append(batch)
    if loader.num_workers:
        os.unlink("/dev/shm/other")
    for batch in kept:
        views = batch["views"]
        views = [views] if hasattr(views, "numpy") else [part for each in views for part in (each.frames, each.clips)]
        print(digest([*views, batch["labels"], batch["indices"], *([batch["weights"]] if "weights" in batch else [])]))
""".replace("SETTINGS", repr(SETTINGS))


def small_module(root: Path, **settings) -> KineticsDataModule:
    return KineticsDataModule(str(root), **{**SETTINGS, "batch_size": 4, **settings})


@pytest.mark.slow
def test_batches_pass_a_shm_that_holds_none_of_them_and_is_full(data_root):
    """256 KB are enough for semaphores alone: a batch of training is 393 KB."""
    words = [sys.executable, "-c", CODE, data_root]
    small = with_a_small_disk([*words, 2], at=Path("/dev/shm"), num_bytes=256 * 1024)
    assert small.returncode == 0, small.stderr
    assert small.stderr.count("full: 0") == 2
    alone = with_a_small_disk([*words, 0], at=Path("/dev/shm"), num_bytes=256 * 1024)
    assert len(alone.stdout.splitlines()) == 3 + 5
    assert small.stdout == alone.stdout


def test_all_tensors_of_a_batch_are_seen_by_both_processes_and_none_is_a_file(data_root):
    """What lies in /dev/shm is mapped under a name of torch's."""
    module = small_module(data_root, num_workers=1)
    assert get_sharing_strategy() == "file_descriptor"
    for loader in (module.train_dataloader(), module.test_dataloader()):
        for batch in loader:
            views = batch["views"]
            large = [views] if isinstance(views, torch.Tensor) else [x for v in views for x in (v.frames, v.clips)]
            tensors = [*large, *(value for value in batch.values() if isinstance(value, torch.Tensor))]
            assert all(tensor.is_shared() for tensor in tensors)
            maps = Path("/proc/self/maps").read_text()
            assert maps.count("/memfd:videogn") >= len({tensor.data_ptr() for tensor in tensors})
            assert "/torch_" not in maps


def test_no_file_descriptor_is_kept(data_root):
    def count() -> int:
        gc.collect()
        return len(os.listdir("/proc/self/fd"))

    loader = small_module(data_root, num_workers=1).train_dataloader()
    list(loader)  # its workers stay
    before = count()
    for _ in range(5):
        list(loader)
    assert count() <= before


def test_a_machine_without_memory_is_said_with_the_bytes(data_root):
    loader = small_module(data_root, num_workers=1).train_dataloader()
    with largest_file(300_000), pytest.raises(MemoryError, match=r"no memory for a batch's part of 393,216 bytes: \w+"):
        list(loader)

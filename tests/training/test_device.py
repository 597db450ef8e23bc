"""What a run ran on."""

import os
import re

import torch

from videogn.training.device import device_name


def test_a_processor_has_a_name_and_the_cores_that_we_may_use():
    found = re.fullmatch(r"(.+), (\d+) cores?", device_name(torch.device("cpu")))
    assert found is not None
    assert int(found[2]) == len(os.sched_getaffinity(0))
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert device_name(torch.device("cpu")).endswith(", 1 core")
    finally:
        os.sched_setaffinity(0, cores)

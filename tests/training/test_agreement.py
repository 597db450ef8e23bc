"""When a training saves: intervals as they are given, and wishes that all devices follow after the same update."""

import pytest
import torch

from tests.runs import on_two_devices
from videogn.training import agreement
from videogn.training.agreement import Agreement
from videogn.training.best_and_last import Every, every


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("500", Every(updates=500)),
        ("30s", Every(seconds=30)),
        ("1.5 h", Every(seconds=5400)),
        ("15min", Every(seconds=900)),
        ("0", Every()),
        ("0min", Every()),
    ],
)
def test_intervals(text, found):
    assert every(text) == found


@pytest.mark.parametrize("text", ["soon", "-5", "1.5", "15minutes", "", "nan"])
def test_what_is_no_interval_is_refused(text):
    with pytest.raises(ValueError, match="is no interval; expected updates"):
        every(text)


def _wishes(rank: int, folder: str) -> None:
    store = torch.distributed.FileStore(f"{folder}/store", 2)
    torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = {}
    for lag in (0, agreement.LAG):
        agreed = Agreement(torch.device("cpu"))
        agreed.lag = lag
        found[str(lag)] = [agreed.of_all(False, (rank, step) == (1, 3)) for step in range(8)]
        agreed.of_all(True, True)
        agreed.forget()
        found[f"forgotten {lag}"] = [agreed.of_all(False, False) for _ in range(4)]
    torch.save(found, f"{folder}/{rank}.pt")
    torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_what_one_device_wishes_all_do_after_the_same_update(tmp_path):
    on_two_devices(_wishes, str(tmp_path))
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert first == second
    for lag in (0, agreement.LAG):
        assert [step for step, (_, stop) in enumerate(first[str(lag)]) if stop] == [3 + lag]
        assert first[f"forgotten {lag}"] == [(False, False)] * 4

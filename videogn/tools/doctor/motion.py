"""Is motion needed: does one frame, or do frames in random order, say as much as the clip."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.stats import binomtest
from torch import Tensor

from videogn.models.compiled import positions
from videogn.models.network import VideoNetwork
from videogn.tools.doctor.finding import Finding, Verdict
from videogn.tools.doctor.learning import Clips
from videogn.tools.doctor.subject import BATCH, SMALL_GN, Subject
from videogn.tools.doctor.training import MORE_TIME
from videogn.training.optimizer import optimizer_of
from videogn.training.schedule import scaled_lr

# The network that looks, and its learning rate: those of configs/own_videos.yaml.
PROBE: dict[str, Any] = {**SMALL_GN, "weight_standardization": True, "input": "motion"}
PROBE_LR, WARMUP = 0.08, 40  # at 64 clips; updates
# After so many updates it is known how many fit into the time.
TIMED = 10
LEAST_UPDATES, MOST_UPDATES = 20, 1500
# A difference counts where chance gives one as large in less than this share of cases; that anything was learnt at all
# is asked more strictly, as all else stands on it.
LEVEL, LEARNT_LEVEL = 0.05, 0.01
QUESTION = "Does motion matter: do clips say more than a frame of each, or than their frames in random order?"


def _as_they_are(views: Tensor, rng: np.random.Generator) -> Tensor:
    return views


def _one_frame(views: Tensor, rng: np.random.Generator) -> Tensor:
    return views[:, views.shape[1] // 2, None].expand_as(views)


def _shuffled(views: Tensor, rng: np.random.Generator) -> Tensor:
    order = torch.from_numpy(rng.permuted(np.tile(np.arange(views.shape[1]), (len(views), 1)), axis=1))
    return views[torch.arange(len(views))[:, None], order]


WAYS: dict[str, Callable[[Tensor, np.random.Generator], Tensor]] = {
    "clips": _as_they_are,
    "one frame of each": _one_frame,
    "their frames in random order": _shuffled,
}


def not_asked() -> Finding:
    """Return the answer where there is no time."""
    return Finding(QUESTION, "look", "there was no time to ask", MORE_TIME)


def motion(subject: Subject, train: Clips, test: Clips, *, num_classes: int, seconds: float) -> Finding:
    """Train a small network on clips, on one frame of each, and on their frames in random order; test each likewise.

    Args:
        train: Training clips; some of one video, if there are.
        test: Validation clips, one a video.
        seconds: For all three together, about. Where it does not suffice for LEAST_UPDATES, it is said.
    """
    train, test = subject.fitted(train), subject.fitted(test)
    right: dict[str, NDArray[np.bool_]] = {}
    num_updates = None
    for name, way in WAYS.items():
        network = subject.network(**PROBE)
        num_updates = _train(network, train, way, num_updates=num_updates, seconds=seconds / len(WAYS))
        if num_updates < LEAST_UPDATES:
            return not_asked()
        right[name] = _right(network, test, way)
    whole, *less = right.values()
    chance = float(test.labels.bincount(minlength=num_classes).max()) / len(test)
    shares = {name: float(found.mean()) for name, found in right.items()}
    words = ", ".join(f"{name} {100 * share:.0f} %" for name, share in shares.items())
    evidence = (
        f"a small network, {num_updates} updates on {len(train)} clips, top-1 on {len(test)} videos: {words}; "
        f"guessing {100 * chance:.0f} %"
    )
    figures = {**shares, "guessing": chance, "updates": num_updates, "videos": len(test)}
    learnt = binomtest(int(whole.sum()), len(whole), chance, alternative="greater").pvalue < LEARNT_LEVEL
    verdict, advice = _judged(learnt, [_is_better(whole, part) for part in less])
    return Finding(QUESTION, verdict, evidence, advice, figures)


def _judged(learnt: bool, better: list[bool]) -> tuple[Verdict, str]:
    if not learnt:
        return "look", (
            "nothing that holds for the validation videos was learnt in this time: no answer; more videos, of more "
            "sources, and weights to start from help most"
        )
    if all(better):
        return "fine", ""
    if not better[0]:
        return "look", (
            "one frame does as well, as far as these videos tell: a 2-D network (--model.layout image) may be enough, "
            "and the scene may give the class away"
        )
    return "look", "the order of frames adds nothing that these videos show: C2D (--model.temporal_convs false) may do"


def _is_better(whole: NDArray[np.bool_], part: NDArray[np.bool_]) -> bool:
    """Return whether more videos are right in the first than in the second alone (exact McNemar test)."""
    gained, lost = int((whole & ~part).sum()), int((part & ~whole).sum())
    return gained > lost and binomtest(gained, gained + lost, alternative="greater").pvalue < LEVEL


def _train(
    network: VideoNetwork,
    clips: Clips,
    way: Callable[[Tensor, np.random.Generator], Tensor],
    *,
    num_updates: int | None,
    seconds: float,
) -> int:
    """Train on batches in random order.

    Returns:
        Updates: as many as fit into the time where no number is given; TIMED where LEAST_UPDATES don't.
    """
    network.train()
    rng = np.random.default_rng(0)
    optimizer = optimizer_of(network, "sgd", lr=0.0, momentum=0.9, weight_decay=1e-4, norm_weight_decay=0.0)
    order = np.concatenate([rng.permutation(len(clips)) for _ in range(MOST_UPDATES * BATCH // len(clips) + 1)])
    total = num_updates or MOST_UPDATES
    step, started = 0, time.monotonic()
    while step < total:
        if num_updates is None and step == TIMED:
            total = min(int(seconds / (time.monotonic() - started) * TIMED), MOST_UPDATES)
            if total < LEAST_UPDATES:
                break
        batch = clips.select(torch.from_numpy(order[step * BATCH : (step + 1) * BATCH]))
        views = way(batch.views, rng)
        # Until the time of an update is known, the rate rises: it is the same for any length.
        warm = min(1.0, (step + 1) / WARMUP)
        cosine = 0.5 * (1 + math.cos(math.pi * step / total)) if step >= TIMED else 1.0
        for group in optimizer.param_groups:
            group["lr"] = scaled_lr(PROBE_LR, BATCH) * warm * cosine
        loss = F.cross_entropy(positions(network, views).mean(dim=-1), batch.labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        step += 1
    return step


def _right(
    network: VideoNetwork, clips: Clips, way: Callable[[Tensor, np.random.Generator], Tensor]
) -> NDArray[np.bool_]:
    """Return of each clip whether its class is the most probable one, bool [N]."""
    network.eval()
    rng, found = np.random.default_rng(1), []
    with torch.inference_mode():
        for start in range(0, len(clips), BATCH):
            batch = clips.select(slice(start, start + BATCH))
            logits = positions(network, way(batch.views, rng)).mean(dim=-1)
            found.append(logits.argmax(dim=1) == batch.labels)
    return torch.cat(found).cpu().numpy()

"""Studies with effects that are known: how often intervals hold the truth, and how often a finding is wrong.

A run has a video right where ability + hardness of the video + luck of the seed + chance is above 0, all normal: so
what other seeds would give on these videos, and on others like them, is known in closed form. 2,000 studies each with
--full, else fewer. Bounds are those that a right method passes in all but one of ten thousand cases.
"""

from functools import cache

import numpy as np
import pytest
from scipy import stats

from tests.ablation.studies import cells, result
from videogn.ablation.cells import Cell
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.contrasts import Contrast, contrasts_of
from videogn.ablation.report.deciding import look_at
from videogn.ablation.report.estimates import ALPHA
from videogn.ablation.report.points import points_of
from videogn.ablation.study import Study
from videogn.intervals import Spread
from videogn.training.result import Result
from videogn.training.video_scores import VideoScores

BOUND = 3.0
# Method, accuracy in percent less that of "base", and how much the videos' hardness differs by method: of "same" not at
# all; "other" has other hard videos, so these videos may tell it from "base", and videos like them do not.
MIXED = {"base": (0.0, 0.0), "same": (0.0, 0.0), "other": (0.0, 0.6), "worse": (-6.0, 0.3), "much worse": (-25.0, 0.3)}
ALIKE = dict.fromkeys(("base", *"abcdefg"), (0.0, 0.0))


@pytest.fixture
def num_studies(request) -> int:
    return 2000 if request.config.getoption("--full") else 100


@cache
def study_of(names: tuple[str, ...], num_seeds: int, start: int | None) -> tuple[Study, tuple[Cell, ...]]:
    """Return a study of so many seeds, or of up to so many where a rule looks at it from `start` on."""
    levels = {name: {"data.num_frames": place} for place, name in enumerate(names)}
    seeds = list(range(num_seeds)) if start is None else {"from": start, "until": 0.01, "at_most": num_seeds}
    study = Study(base="b", axes={"method": levels}, seeds=seeds, equivalence=BOUND)
    return study, tuple(cells(study))


class Simulated:
    """A study's points, comparisons and truths: top-1 of each method on these videos and on videos like them."""

    def __init__(
        self,
        rng: np.random.Generator,
        methods: dict[str, tuple[float, float]],
        *,
        base: float,
        num_seeds: int,
        num_videos: int,
        seed_sd: float,
        cuts: int,
        start: int | None = None,
    ) -> None:
        self.study, all_cells = study_of(tuple(methods), num_seeds, start)
        groups = np.arange(num_videos) // cuts

        def hardness(sd: float) -> np.ndarray:
            """Return one of each video; cuts of a source share half of its variance."""
            share = 0.5 if cuts > 1 else 0.0
            of_source = rng.normal(size=num_videos)[groups]
            return sd * (np.sqrt(share) * of_source + np.sqrt(1 - share) * rng.normal(size=num_videos))

        shared = hardness(0.8)
        ranks, self.these, self.like_them = {}, {}, {}
        for name, (less, own) in methods.items():
            height = np.sqrt(0.8**2 + own**2 + seed_sd**2 + 0.6**2) * stats.norm.ppf((base + less) / 100)
            height = height + shared + hardness(own)
            noise = seed_sd * rng.normal(size=(num_seeds, 1)) + 0.6 * rng.normal(size=(num_seeds, num_videos))
            ranks[name] = np.where(height + noise > 0, 0, 6)
            self.these[name] = 100 * stats.norm.cdf(height / np.hypot(seed_sd, 0.6)).mean()
            self.like_them[name] = base + less
        self.outcomes, self.scores = [], {}
        of_list = tuple(map(str, groups)) if cuts > 1 else None
        for cell in all_cells:
            own_ranks = ranks[cell.labels["method"]][cell.seed]
            fields = result(cell, 100 * float((own_ranks == 0).mean()))
            fields |= {"top5": fields["top1"], "num_videos_expected": num_videos, "num_videos_scored": num_videos}
            self.outcomes.append(Outcome(cell, "done", result=Result(**fields)))
            self.scores[cell.name] = VideoScores(tuple(range(num_videos)), tuple(own_ranks.tolist()), of_list)
        self.points = points_of(self.study, self.outcomes, self.scores)
        self.contrasts = contrasts_of(self.study, self.points) if start is None else self._decided(start)

    def _decided(self, start: int) -> list[Contrast]:
        """Return the comparisons as they are when the rule ends the study."""
        for num_seeds in range(start, self.study.seed_rule.at_most + 1):
            now = [one if one.cell.seed < num_seeds else Outcome(one.cell, "waiting") for one in self.outcomes]
            look = look_at(self.study, now, self.scores)
            if look.is_over:
                break
        return [contrast for contrast, _ in look.decisions]

    def truth(self, contrast) -> tuple[float, float]:
        """Return the true difference on these videos and on videos like them."""
        one, other = (point.labels["method"] for point in contrast.points)
        return self.these[one] - self.these[other], self.like_them[one] - self.like_them[other]

    def has_wrong_finding(self) -> bool:
        """Whether anything that the study's findings say is not so."""
        for contrast in self.contrasts:
            for reach, truth in zip(("these", "like them"), self.truth(contrast), strict=True):
                is_zero = abs(truth) < 1e-9 or np.sign(truth) != np.sign(contrast.difference.mean)
                if contrast.shows("apart", reach) and is_zero:
                    return True
                if contrast.shows("within", reach) and abs(truth) >= BOUND:
                    return True
        return False


def at_least(num: int, share: float) -> float:
    """Return the fewest of `num` that a chance of `share` gives in all but one in ten thousand cases."""
    return stats.binom.ppf(1e-4, num, share)


@pytest.mark.parametrize(
    ("methods", "setting"),
    [
        (MIXED, {"base": 95.0, "num_seeds": 3, "num_videos": 120, "seed_sd": 0.15, "cuts": 1}),
        (MIXED, {"base": 85.0, "num_seeds": 5, "num_videos": 160, "seed_sd": 0.05, "cuts": 8}),
        (MIXED, {"base": 60.0, "num_seeds": 2, "num_videos": 60, "seed_sd": 0.1, "cuts": 1}),
        (ALIKE, {"base": 90.0, "num_seeds": 4, "num_videos": 200, "seed_sd": 0.3, "cuts": 1}),
    ],
)
def test_intervals_hold_the_truth_and_few_studies_say_what_is_wrong(num_studies, methods, setting):
    rng = np.random.default_rng(20)
    held = {"these": [], "like them": [], "accuracy, these": [], "accuracy, like them": []}
    wrong = by_itself = 0
    for _ in range(num_studies):
        found = Simulated(rng, methods, **setting)
        wrong += found.has_wrong_finding()
        by_itself += any(
            contrast.ps["apart", "these"] <= ALPHA and found.truth(contrast)[0] == 0 for contrast in found.contrasts
        )
        for contrast in found.contrasts:
            for reach, truth in zip(("these", "like them"), found.truth(contrast), strict=True):
                claim = contrast.claim(reach)
                held[reach].append(claim.low <= truth <= claim.high)
        for point in found.points:
            name = point.labels["method"]
            for reach, claim, truth in (
                ("these", point.top1.seeds, found.these[name]),
                ("like them", point.top1.videos, found.like_them[name]),
            ):
                held[f"accuracy, {reach}"].append(claim.low <= truth <= claim.high)
    for name, flags in held.items():
        for of_one in np.array(flags).reshape(num_studies, -1).T:
            assert of_one.sum() >= at_least(num_studies, 1 - ALPHA), name
            if name == "these" and setting["num_seeds"] > 2:  # nor is it too wide
                assert of_one.sum() <= num_studies - at_least(num_studies, ALPHA)
    assert wrong <= num_studies - at_least(num_studies, 1 - ALPHA)
    if methods is ALIKE:  # without Holm's procedure far more would be wrong: this can be seen here
        assert by_itself >= at_least(num_studies, 0.15) > wrong


@pytest.mark.parametrize("less", [0.0, -4.0])
def test_intervals_of_both_claims_hold_although_a_study_ends_by_them(num_studies, less):
    """A look after every seed, until a difference or an equality is found, of methods that find other videos hard."""
    rng = np.random.default_rng(21)
    setting = {"base": 85.0, "num_seeds": 5, "num_videos": 120, "seed_sd": 0.1, "cuts": 1, "start": 2}
    held, wrong, nums = {"these": 0, "like them": 0}, 0, set()
    for _ in range(num_studies):
        found = Simulated(rng, {"base": (0.0, 0.0), "other": (less, 0.6)}, **setting)
        (contrast,) = found.contrasts
        nums.add(contrast.difference.num)
        wrong += found.has_wrong_finding()
        for reach, truth in zip(held, found.truth(contrast), strict=True):
            claim = contrast.claim(reach)
            held[reach] += claim.low <= truth <= claim.high
    assert min(held.values()) >= at_least(num_studies, 1 - ALPHA), held
    assert wrong <= num_studies - at_least(num_studies, 1 - ALPHA)
    assert len(nums) > 2  # studies do end by what they see


def test_four_of_five_studies_show_the_smallest_difference_that_they_are_said_to_show(num_studies):
    rng = np.random.default_rng(0)
    for num_seeds, alpha in ((2, 0.05), (3, 0.05 / 3), (5, 0.05 / 9)):
        shift = Spread(2.0 / num_seeds**0.5, num_seeds - 1, num_seeds).smallest_shown(alpha)
        values = rng.normal(shift, 2.0, size=(10 * num_studies, num_seeds))
        shown = (stats.ttest_1samp(values, 0.0, axis=1).pvalue <= alpha).sum()
        assert at_least(10 * num_studies, 0.8) <= shown <= 10 * num_studies - at_least(10 * num_studies, 0.2)

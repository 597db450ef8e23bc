"""Where a study stands whose seeds are added until its comparisons are decided; by its results alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

from videogn.ablation.cells import Cell
from videogn.ablation.choices import is_to_run
from videogn.ablation.outcome import Outcome
from videogn.ablation.report.contrasts import Contrast, contrasts_of
from videogn.ablation.report.points import Point, points_of
from videogn.ablation.report.scores import read_scores
from videogn.ablation.report.text import difference_text, point_words
from videogn.ablation.study import Study
from videogn.training.video_scores import VideoScores
from videogn.wording import counted, listed

# "given up": of two that can't be compared, or of which no seed so far has both results, no seed is added.
Decision = Literal["apart", "within", "narrow", "open", "given up"]
# Comparisons that a line of the launcher's names.
_MOST_SAID = 3


@dataclass(frozen=True)
class Look:
    """What the seeds so far say.

    Args:
        seeds: The seeds that are asked for now: those that were begun, and the next where these do not decide.
        num_seeds: Those that were looked at, every cell of them done or failed; 0 while one that was begun is not.
        decisions: Each comparison that is to be decided, and what was seen; none where there was no look.
    """

    seeds: list[int]
    num_seeds: int
    decisions: Sequence[tuple[Contrast, Decision]]

    @property
    def is_over(self) -> bool:
        """Whether no seed is added any more because nothing is open."""
        return bool(self.decisions) and all(decision != "open" for _, decision in self.decisions)

    @property
    def num_given_up(self) -> int:
        """Comparisons that are not decided, and that no seed is added for."""
        return sum(decision == "given up" for _, decision in self.decisions)

    @property
    def is_decided(self) -> bool:
        """Whether it is over, and something was decided."""
        return self.is_over and self.num_given_up < len(self.decisions)


def look_at(
    study: Study, outcomes: Sequence[Outcome], scores: Mapping[str, VideoScores] = MappingProxyType({})
) -> Look:
    """Return where a study with a seed_rule stands.

    Args:
        outcomes: What became of each cell, of all seeds that there may be.
        scores: What the runs found of each test video, as the report has it: findings stand among claims of those.
    """
    rule = study.seed_rule
    assert rule is not None
    num_begun = max([rule.start, *(o.cell.seed + 1 for o in outcomes if o.state != "waiting")])
    begun = [outcome for outcome in outcomes if outcome.cell.seed < num_begun]
    if any(outcome.state not in ("done", "failed") for outcome in begun):
        return Look(rule.seeds[:num_begun], 0, ())
    contrasts = compared(study, points_of(study, begun, scores))
    decisions = [(one, _decision(one, until=rule.until)) for one in contrasts]
    look = Look(rule.seeds[:num_begun], num_begun, decisions)
    return look if look.is_over else Look(rule.seeds[: num_begun + 1], num_begun, decisions)


def look_of(study: Study, outcomes: Sequence[Outcome], *, out: Path) -> Look | None:
    """Return where a study stands, with the scores in its folder; None where its seeds are a list."""
    return None if study.seed_rule is None else look_at(study, outcomes, read_scores(outcomes, out=out)[0])


def outcomes_asked(outcomes: Sequence[Outcome], look: Look | None) -> list[Outcome]:
    """Return what became of the cells that are asked for now: of all seeds but those that a rule has not added."""
    return [outcome for outcome in outcomes if look is None or outcome.cell.seed in look.seeds]


def cells_to_run(outcomes: Sequence[Outcome], look: Look | None) -> list[Cell]:
    """Return the cells that are to be run now.

    Where a rule has come to its end, these are those that failed of a comparison that was given up: an error that is
    mended since must not cost the answer.
    """
    to_run = [outcome.cell for outcome in outcomes_asked(outcomes, look) if is_to_run(outcome)]
    if look is None or not look.is_over:
        return to_run
    given_up = [contrast for contrast, decision in look.decisions if decision == "given up"]
    names = {name for contrast in given_up for point in contrast.points for name in point.runs}
    return [cell for cell in to_run if cell.name in names]


def compared(study: Study, points: Sequence[Point]) -> list[Contrast]:
    """Return what is to be decided: the comparison that the rule names, else all of two points in the report."""
    rule = study.seed_rule
    assert rule is not None
    contrasts = contrasts_of(study, points)
    if rule.between is not None:
        return contrasts[:1]
    contrasts = [contrast for contrast in contrasts if not contrast.is_of_losses]
    return [contrast for contrast in contrasts if contrast.verdict != "same computation"]


def check_compared(study: Study, cells: Sequence[Cell]) -> None:
    """Refuse a rule that has nothing to decide.

    Raises:
        ValueError: There are no two settings to compare, or those that the rule names are one computation.
    """
    if study.seed_rule is None:
        return
    contrasts = compared(study, points_of(study, [Outcome(cell, "waiting") for cell in cells]))
    if not contrasts:
        raise ValueError("seeds: the study compares no two settings, so no seed decides anything; give a list of seeds")
    if contrasts[0].verdict == "same computation":
        raise ValueError(f"seeds, between: {_contrast_words(contrasts[0])} are the same computation; name others")


def look_text(study: Study, look: Look) -> str:
    """Return what a look said, of many comparisons what is open first, and what follows, as a line."""
    rule = study.seed_rule
    assert rule is not None
    first = sorted(look.decisions, key=lambda one: one[1] != "open")[:_MOST_SAID]
    seen = [
        f"{_contrast_words(contrast)}: {difference_text(contrast.difference)}, {decision}"
        for contrast, decision in first
    ]
    if len(look.decisions) > len(first):
        seen.append(f"{len(look.decisions) - len(first)} more")
    then = "no seed is left"
    if look.is_over:
        then = "decided" if look.is_decided else "nothing is decided, and no seed is added"
    if len(look.seeds) > look.num_seeds:
        then = f"seed {look.seeds[-1]} is added"
    return f"after {look.num_seeds} of at most {rule.at_most} seeds: {'; '.join(seen)}; {then}"


def stopping_note(study: Study, look: Look, outcomes: Sequence[Outcome]) -> str:
    """Return for the report by which rule seeds were added, how that ended, and in what sense the intervals hold."""
    rule = study.seed_rule
    assert rule is not None
    which = "every comparison of two settings here was"
    if rule.between is not None:
        which = f"the difference between {_words(rule.between)} was"
    if not look.decisions:
        state = "What was begun is not all done, so that nothing was looked at yet"
    elif look.is_decided:
        state = f"Stopped after {look.num_seeds}: decided"
        if look.num_given_up:
            state += f", but for {counted(look.num_given_up, 'comparison')} without results that can be compared"
    elif look.is_over:
        state = f"Stopped after {look.num_seeds}, and nothing is decided: there are no results that can be compared"
    elif look.num_seeds == rule.at_most:
        state = "Ended with the last of them, not decided"
    else:
        state = f"Not decided after {look.num_seeds}"
    failed = [str(seed) for seed in sorted({o.cell.seed for o in outcomes if o.state == "failed"})]
    if failed:
        state += f". Cells of {'seed' if len(failed) == 1 else 'seeds'} {listed(failed)} failed: pairs without both "
        state += (
            "results are left out, and no other seed takes their place; the intervals are of seeds that do not fail"
        )
        if look.num_given_up or not look.is_over:
            those = "those of comparisons without results" if look.is_over else "these cells"
            state += f". The same command tries {those} again"
    within = "" if study.equivalence is None else f", within {study.equivalence:g} points"
    return (
        f"Seeds were added one at a time until {which} decided (a finding: apart{within}; or an interval of at most "
        f"± {rule.until:g} points), at most {rule.at_most}. {state}. So that every interval holds with "
        f"95 % although one looks after every seed from {rule.start} on, its nominal level is "
        f"{100 * (1 - rule.nominal()):.2f} % (repeated confidence intervals of one level: Jennison and Turnbull 1989, "
        "Pocock 1977; of normal differences)."
    )


def _decision(contrast: Contrast, *, until: float) -> Decision:
    """Return what was seen; "apart" and "within" as findings say it: among all that are judged together."""
    difference = contrast.difference
    if difference is None:
        return "given up"
    if contrast.shows("apart", "these"):
        return "apart"
    if contrast.shows("within", "these"):
        return "within"
    return "narrow" if difference.seeds is not None and difference.seeds.half_width <= until else "open"


def _words(pair: Sequence[Mapping[str, str]]) -> str:
    return f"{point_words(pair[0])} and {point_words(pair[1], is_short=True)}"


def _contrast_words(contrast: Contrast) -> str:
    return _words([point.labels for point in contrast.points])

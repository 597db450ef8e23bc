"""All that a run's folder says of it, read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from videogn.data.lists.entries import ListError
from videogn.data.lists.labels import read_classes
from videogn.trained.folder import classes_file, settings_of
from videogn.trained.report.scores import Scores, scores_of
from videogn.trained.report.scores_of_labels import ScoresOfLabels, scores_of_labels
from videogn.training.metrics import Logged, read_metrics
from videogn.training.result import Result, ResultError
from videogn.training.result_of_labels import ResultOfLabels, read_any_result, read_tested_labels
from videogn.training.video_scores import read_tested


@dataclass(frozen=True)
class Gathered:
    """A run's folder.

    Args:
        folder: It.
        settings: Of its config.yaml.
        classes: [K] names; none where nothing says them.
        metrics: What was logged, by column.
        result: Of its test; None before one.
        scores: Of the tested videos; None where the test's videos.csv is not there, or can't be used.
        problems: Why something that is there can't be used, a sentence each.
    """

    folder: Path
    settings: Mapping[str, Any]
    classes: Sequence[str]
    metrics: Mapping[str, Sequence[Logged]]
    result: Result | ResultOfLabels | None
    scores: Scores | ScoresOfLabels | None
    problems: Sequence[str]

    def setting(self, part: str, name: str) -> Any:
        """Return a setting such as data, root; None where the config does not have it."""
        return self.settings[part].get(name)


def gather(folder: Path) -> Gathered:
    """Read a run's folder.

    Raises:
        ValueError: It holds no run.
    """
    settings, problems = settings_of(folder), []
    classes: list[str] = []
    try:
        if file := classes_file(folder):
            classes = read_classes(Path(file))
    except ListError as error:
        problems.append(f"The names of the classes are not known: {error}.")
    result: Result | ResultOfLabels | None = None
    scores: Scores | ScoresOfLabels | None = None
    if (folder / "result.json").exists():
        try:
            result = read_any_result(folder / "result.json")
        except ResultError as error:
            problems.append(f"The test's {error}: it is not used. `videogn test` writes it again.")
    if result is not None:
        try:
            if isinstance(result, ResultOfLabels):
                if (labels := read_tested_labels(folder, result)) is not None:
                    scores = scores_of_labels(labels, result=result)
            elif (tested := read_tested(folder, result)) is not None:
                scores = scores_of(tested, num_classes=result.num_classes or len(classes))
        except ValueError as error:
            problems.append(f"The test's {error}: it is not used. `videogn test` writes it again.")
    if scores is not None and len(classes) != scores.num_classes:
        if classes:
            problems.append(f"{len(classes)} classes are named, and the network has {scores.num_classes}: by numbers.")
        classes = list(map(str, range(scores.num_classes)))
    return Gathered(folder, settings, classes, read_metrics(folder), result, scores, problems)

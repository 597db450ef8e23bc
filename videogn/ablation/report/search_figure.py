"""The search as a picture: of each point, error on the videos that judge against the values that were tried."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from videogn.ablation.axes import NORM_BATCH_SIZE, plain_text, value_text
from videogn.ablation.choices import Search, Trial
from videogn.ablation.report.error_figure import title_lines
from videogn.ablation.report.error_marks import plain, style_of
from videogn.ablation.report.gather import Gathered
from videogn.ablation.report.text import point_words
from videogn.ablation.report.tuned import chosen_text, chosen_trial
from videogn.ablation.search import number
from videogn.drawing import (
    INK,
    MUTED,
    TEXT,
    Drawing,
    files_of,
    new_figure,
    set_title,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NUM_COLUMNS = 3


def draw_search(gathered: Gathered) -> Drawing | None:
    """Return a panel for each point and tuned setting, or None where no run of a search has come to an end."""
    tune = gathered.study.tune
    searches = [search for search in gathered.searches if search.same_as is None]
    searches = [search for search in searches if any(t.top1 is not None or t.num_diverged for t in search.trials)]
    if not searches:
        return None
    panels = [(search, name) for search in searches for name in tune]
    num_columns = min(_NUM_COLUMNS, len(panels)) if len(tune) == 1 else len(tune)
    num_rows = -(-len(panels) // num_columns)
    figure = new_figure(6.3, 1.0 + 1.75 * num_rows)
    # A point's panels share their axis; between points, errors may be far apart.
    grid = figure.subplots(num_rows, num_columns, sharey="row" if len(tune) > 1 else False, squeeze=False)
    for place, axes in enumerate(grid.flat):
        if place >= len(panels):
            axes.set_axis_off()
            continue
        search, name = panels[place]
        _draw_panel(axes, search, name, tune[name])
        words = point_words(search.labels, is_short=True)
        axes.set_title(plain(words), fontsize=TEXT - 1, color=INK, loc="left", fontweight="bold")
        axes.set_xlabel(plain(name.rsplit(".", 1)[-1]))
        _set_limits(axes, search)
        if place % num_columns == 0:
            axes.set_ylabel("error (%)")
    judged = "Error on the videos that judge the search"
    set_title(figure, title_lines(gathered, head=judged, marks="Ring: chosen. Dots: tuning seeds. Cross: diverged"))
    parts = [f"{point_words(search.labels)}: {chosen_text(search)}" for search in searches]
    caption = "Mean over tuning seeds of 100 − top-1; a panel for every setting of the study"
    caption += ", each setting with an axis of its own." if len(searches) > 1 else "."
    if NORM_BATCH_SIZE in searches[0].labels:
        caption += " The number behind a norm is the normalisation batch."
    if len(tune) > 1:
        caption += " Of several settings, each value at the best of the others."
    return files_of(figure, description=f"The search of each setting. Chosen: {'; '.join(parts)}.", caption=caption)


def _set_limits(axes: "Axes", search: Search) -> None:
    """Give a point's panel all its runs, with some room, from 0 to 100 % at most; no figures where all diverged."""
    results = [outcome.result for trial in search.trials for outcome in trial.outcomes]
    errors = [100 - result.top1 for result in results if result is not None]
    if not errors:
        axes.set_yticks([])
        return
    room = max(0.2 * (max(errors) - min(errors)), 1.0)
    axes.set_ylim(max(0.0, min(errors) - room), min(100.0, max(errors) + room))


def _draw_panel(axes: "Axes", search: Search, name: str, values: Sequence[Any]) -> None:
    style_axes(axes, grid="y")
    numbers = [number(value) for value in values]
    known = [value for value in numbers if value is not None]
    is_scale = len(known) == len(values)
    if is_scale and min(known) > 0:
        axes.set_xscale("log")
    order = sorted(range(len(values)), key=lambda place: known[place]) if is_scale else list(range(len(values)))
    xs = {place: known[place] if is_scale else float(place) for place in order}
    colour, marker = style_of(search.labels, place=0)
    chosen, line = chosen_trial(search), []
    for place in order:
        trial = _best_at(search, name, values[place])
        if trial is None:  # not run yet
            continue
        if trial.num_diverged:
            # Upon the panel's upper edge, where no error is.
            above = axes.get_xaxis_transform()
            axes.plot([xs[place]], [1.0], "x", color=MUTED, transform=above, markersize=7, clip_on=False)
        if trial.top1 is None:
            continue
        line.append((xs[place], 100 - trial.top1))
        seeds = [100 - outcome.result.top1 for outcome in trial.outcomes if outcome.result is not None]
        axes.scatter([xs[place]] * len(seeds), seeds, s=10, color=colour, alpha=0.55, linewidths=0)
    axes.plot([x for x, _ in line], [y for _, y in line], color=colour, marker=marker, markersize=5, linewidth=1.6)
    if chosen is not None and chosen.top1 is not None:
        at = next(p for p in order if plain_text(values[p]) == plain_text(chosen.candidate[name]))
        axes.scatter([xs[at]], [100 - chosen.top1], s=130, facecolors="none", edgecolors=INK, linewidths=1.3, zorder=4)
    axes.set_xticks([xs[place] for place in order], labels=[plain(value_text(values[place])) for place in order])
    axes.set_xticks([], minor=True)
    axes.margins(x=0.15)


def _best_at(search: Search, name: str, value: Any) -> Trial | None:
    """Return the best trial at a value of one setting; None where none of them has come to an end."""
    trials = [trial for trial in search.trials if plain_text(trial.candidate[name]) == plain_text(value)]
    trials = [trial for trial in trials if trial.top1 is not None or trial.num_diverged]
    return min(trials, key=lambda trial: (trial.top1 is None, trial.num_diverged, -(trial.top1 or 0.0)), default=None)

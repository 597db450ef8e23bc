"""videogn ablate: a study, planned or run."""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn

from jsonargparse import ArgumentParser

from videogn.ablation import Study, describe_cells, print_plan, run_study
from videogn.commands.configs import find_config, resolve_configs
from videogn.commands.usage import RunError, UsageError


class Parser(ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise UsageError(message) from ex


def run(words: list[str]) -> int:
    """Runs `ablate ...`; returns the exit status.

    Raises:
        UsageError: A study that can't be.
        RunError: Its files can't be read or written.
    """
    parser = Parser(
        prog="videogn ablate",
        description="Runs norms x normalisation batches x seeds, each cell as a `videogn fit` and a `videogn test` of "
        "its own, and makes a table, a CSV, a Markdown report and a picture. Run again, it goes on where it stopped.",
    )
    parser.add_argument("--config", "-c", action="config", help="The study: a YAML file of the settings below.")
    parser.add_class_arguments(Study, None)
    parser.add_argument("--out", type=str | None, default=None, help="Folder of the study (default: studies/NAME).")
    parser.add_argument("--dry_run", action="store_true", help="Print the cells and their commands; run nothing.")
    config = parser.parse_args(resolve_configs(words[1:]))
    values = {name: value for name, value in config.as_dict().items() if name not in {"config", "out", "dry_run"}}
    names = [Path(str(path)).stem for path in config.config or []]
    out = Path(config.out or Path("studies") / (names[-1] if names else "ablation"))
    try:
        study = Study(**values)
        find_config(study.base)
        if config.dry_run:
            print_plan(describe_cells(study, out))
            return 0
        return 1 if run_study(study, out) else 0
    except ValueError as error:
        raise UsageError(str(error)) from error
    except OSError as error:
        raise RunError(str(error)) from error
    except KeyboardInterrupt:
        return 130

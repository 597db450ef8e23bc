"""What a run's folder says without its checkpoints: its settings and its classes. Loads no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from videogn.settings_file import read_settings

CLASSES = ("classes.json", "classes.txt")


def settings_of(run_dir: Path) -> dict[str, Any]:
    """Return what a run's config.yaml says.

    Raises:
        ValueError: There is none, or it is no config of a run.
    """
    path = run_dir / "config.yaml"
    if not path.is_file():
        raise ValueError(f"{run_dir} holds no run (no config.yaml); expected the folder that `videogn fit` wrote")
    try:
        settings = read_settings(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: {error}: bring back the one that `videogn fit` wrote") from error
    parts = ("model", "data", "trainer")
    if not all(isinstance(settings.get(part), dict) for part in parts):
        raise ValueError(f"{path} is no config of a run: expected model, data and trainer in it")
    return settings


def classes_file(run_dir: Path) -> str | None:
    """Return the file in a run's folder that names its classes; None where there is none."""
    return next((str(run_dir / name) for name in CLASSES if (run_dir / name).is_file()), None)

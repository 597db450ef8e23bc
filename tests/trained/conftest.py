"""A run to ask."""

from pathlib import Path

import pytest

from tests.runs import TINY
from videogn.cli import main


@pytest.fixture(scope="package")
def run(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Path:
    """The folder of a run of an epoch, whose videos are gone."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "tiny.yaml").write_text(TINY)
    words = ["--config", f"{folder}/tiny.yaml", "--data.root", str(data_root), "--data.num_workers", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["videogn"])
        assert main(["fit", *words, "--trainer.max_epochs", "1", "--run_dir", str(folder)]) == 0
    settings = (folder / "config.yaml").read_text().replace(str(data_root), "/gone")
    (folder / "config.yaml").write_text(settings)
    return folder

"""A folder of videos that is gone while a run is under way is no hundred of broken videos."""

import shutil
from pathlib import Path

import lightning
import pytest

from tests.runs import TINY
from videogn.cli import main
from videogn.data.vanished import Vanished, check_not_vanished


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "mount/run").mkdir(parents=True)
    for name in ("a", "b"):
        (tmp_path / f"mount/run/{name}.mp4").touch()
    return tmp_path / "mount"


def test_one_file_that_is_gone_or_broken_is_as_a_broken_one(root):
    video = root / "run/a.mp4"
    check_not_vanished(str(video), root=root)
    video.unlink()
    check_not_vanished(str(video), root=root)
    (root / "run/b.mp4").unlink()
    check_not_vanished(str(video), root=root)  # the last of its folder


def test_a_folder_that_is_gone_is_said(root, tmp_path):
    video = str(root / "run/a.mp4")
    shutil.rmtree(root / "run")
    with pytest.raises(Vanished, match=rf"^{video}: .* now the data root {root} is empty: is it mounted\?"):
        check_not_vanished(video, root=root)  # what is left of a mount
    (root / "jump").mkdir()
    with pytest.raises(Vanished, match=r"now its folder is gone \(No such file or directory\): is it mounted\?"):
        check_not_vanished(video, root=root)
    shutil.rmtree(root)
    with pytest.raises(Vanished, match=rf"now the data root {root} is gone \(No such file"):
        check_not_vanished(video, root=root)


def test_a_mount_that_does_not_answer_is_said(root, monkeypatch):
    def refuse(*_: object, **__: object) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr("os.stat", refuse)
    with pytest.raises(Vanished, match=r"the data root .* does not answer \(Stale file handle\): is it mounted"):
        check_not_vanished(str(root / "run/a.mp4"), root=root)


class Unmount(lightning.Callback):
    """Takes the data root away at a moment of the run."""

    def __init__(self, root: str, moment: str) -> None:
        setattr(self, moment, lambda *_: Path(root).rename(f"{root}.elsewhere"))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("moment", "words", "video"),
    [
        ("on_train_batch_start", [], "train"),
        ("on_train_batch_start", ["--data.skip_undecodable", "1"], "train"),
        ("on_validation_start", ["--data.skip_undecodable", "1"], "val"),
    ],
)
def test_a_run_whose_videos_are_gone_says_so(moment, words, video, data_root, tmp_path, monkeypatch, capsys):
    (tmp_path / "tiny.yaml").write_text(TINY)
    shutil.copytree(data_root, tmp_path / "videos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    trainer = ["--trainer.callbacks", "tests.data.test_vanished.Unmount", "--trainer.callbacks.root", "videos"]
    trainer += ["--trainer.callbacks.moment", moment, "--trainer.num_sanity_val_steps", "0"]
    words = [*words, *trainer, "--data.root", "videos", "--data.num_workers", "0"]
    assert main(["fit", "--config", "tiny.yaml", *words]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith(f"videogn fit: error: {tmp_path}/videos/{video}/")
    assert "videos is gone (No such file or directory): is it mounted? No video was skipped" in error

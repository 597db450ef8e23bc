"""What is wrong with a setting is said in a user's words: its name, what was got, what was expected."""

import pytest

from videogn.cli import main


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model.input", "grey"], "model.input: got grey; expected one of rgb, standardized, motion"),
        (["--model.optimizer", "lion"], "model.optimizer: got lion; expected one of sgd, adamw"),
        (["--model.mixup", "nan"], "model.mixup: got nan; expected a number"),
        (["--model.mixup", "-1"], "mixup is -1.0; expected 0 or more"),
        (["--model.balance_classes", "maybe"], "model.balance_classes: got maybe; expected true or false"),
        (["--data.target_fps", "many"], "data.target_fps: got many; expected a number"),
        (["--data.target_fps", "0.0004"], "target_fps is 0.0004; expected frames a second, 0.01 to 1000"),
        (["--data.frames_per_second", "30"], "frames_per_second has no effect without target_fps"),
        (["--data.clips_per_video", "two"], "data.clips_per_video: got two; expected a whole number"),
        (["--data.color_jitter", "[1]"], "data.color_jitter: got [1]; expected a list of 4 elements"),
        (["--data.color_jitter", "[0.4,0.4,0.4,0.9]"], "color_jitter is [0.4, 0.4, 0.4, 0.9]: hue"),
        (["--data.rand_augment", "[0,9]"], "rand_augment is [0, 9]; expected at least 1 transform"),
        (["--data.random_erasing", "2"], "random_erasing is 2.0; expected a number from 0 to 1"),
        (["--data.exclude", "none.txt"], "none.txt: no such file of videos to leave out (--data.exclude)"),
        (["--data.list_columns", "path"], "data.list_columns: got path; expected a list"),
        (["--data.frame_folders", "perhaps"], "data.frame_folders: got perhaps; expected true or false"),
        (["--model.inputs", "rgb"], "model.inputs is no setting of `videogn fit`; did you mean model.input?"),
    ],
)
def test_wrong_values(data_root, capsys, monkeypatch, words, says):
    monkeypatch.setattr("sys.argv", ["videogn"])
    assert main(["plan", "--config", "motions.yaml", "--data.root", str(data_root), *words]) == 2
    assert says in capsys.readouterr().err

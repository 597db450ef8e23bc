"""What a command writes never takes the place of a video that it reads."""

import shutil

import pytest

from videogn.cli import main

pytestmark = pytest.mark.slow  # trains for a second or two

SLIDES = ["--every_seconds", "0.2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["predict", "--json", "a.heat.mp4"], "--json would take the place of a video"),
        (["predict", *SLIDES, "--csv", "a.heat.mp4"], "--csv would take the place of a video"),
        (["predict", *SLIDES, "--overlay", "a.heat.mp4"], "--overlay would take the place of a video"),
        (["predict", *SLIDES, "--csv", "c", "--json", "c"], "--csv c: --json writes that file, too"),
        (["predict", *SLIDES, "--timeline", "t.png", "--json", "t.svg"], "t.svg: --json writes that file, too"),
        (["gradcam", "--out", "."], "--out would take the place of a video"),
    ],
)
def test_a_video_is_refused_as_a_file_to_write(run, video, tmp_path, monkeypatch, capsys, words, said):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    shutil.copy(video, tmp_path / "a.heat.mp4")
    is_gradcam = words[0] == "gradcam"
    videos = ["a.heat.mp4", "b/a.mp4"] if is_gradcam else ["a.heat.mp4"]
    if is_gradcam:
        (tmp_path / "b").mkdir()
        shutil.copy(video, tmp_path / "b/a.mp4")
    of_run = [str(run)] if is_gradcam else ["--run_dir", str(run)]
    assert main([words[0], *of_run, *words[1:], "--videos", *videos]) == 2
    assert said in capsys.readouterr().err
    assert (tmp_path / "a.heat.mp4").read_bytes() == video.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == (["a.heat.mp4", "b"] if is_gradcam else ["a.heat.mp4"])

"""The page on a run: of every kind of run, whole, small, and of what its files say."""

import html
import json
import math
import re
import subprocess
import sys
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.data.images import picture, write_image
from tests.trained.reports import draw_scores, rows_of, write_run
from videogn.cli import main
from videogn.page import page_of
from videogn.trained.names import PAGE_FILES
from videogn.trained.report.answer import answer_text
from videogn.trained.report.cost import update_seconds
from videogn.trained.report.curves_figure import MOST_POINTS, error_of, points_of
from videogn.trained.report.document import AboutVideos, document_of
from videogn.trained.report.gather import gather
from videogn.trained.report.provenance import commands
from videogn.trained.report.strips import find_files
from videogn.training.metrics import Logged, read_metrics
from videogn.training.result import Result


class Looked(HTMLParser):
    """What a page is made of: its text, its pictures, and whether all that is opened is closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        assert tag not in {"script", "link", "iframe"}
        if tag == "img":
            source = dict(attrs)["src"]
            assert source.startswith("data:image/")
            self.pictures.append(source[11:15])
        elif tag not in {"meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).replace("\xa0", " ").split())


def looked(run: Path, *more: str) -> Looked:
    assert main(["report", str(run), *more]) == 0
    return Looked((run / "report/report.html").read_text(encoding="utf-8"))


def test_a_tested_run_says_its_answer_first_and_shows_what_is_wrong(tmp_path, data_root, capsys):
    names = ["val/00.mp4", "val/01.mp4", "val/02.mp4", "val/03.mp4", "val/04.mp4"]
    labels = [0, 1, 0, 1, 0]
    probabilities = np.array([[0.9, 0.1], [0.75, 0.25], [0.8, 0.2], [0.4, 0.6], [0.7, 0.3]])
    given = {"names": names, "labels": labels, "probabilities": probabilities, "root": data_root}
    page = looked(write_run(tmp_path / "run", **given, failed=["bad.mp4"]))
    answer = "Top-1 80.0 % (22.3–98.2): 4 of 5 test videos right, protocol 1x1 (nonlocal), last checkpoint; "
    answer += "1 more video failed."
    out = capsys.readouterr().out
    assert answer in out.splitlines()
    assert page.text.index(answer) < page.text.index("While training")
    assert "counted as wrong, top-1 is 66.7 %" in page.text
    assert page.pictures == ["svg+", "svg+", "svg+", "jpeg"]
    assert "Is class 1 (25 %, rank 2), predicted as class 0 (75 %): val/01.mp4" in page.text
    assert "bad.mp4" in page.text
    assert "0123456789abcdef" in page.text
    # 10 updates at 10 clips a second and 30 at 20, of 4 clips: 4 + 6 s of 20.
    assert "20 s in all; updates about 10 s (50 %" in page.text
    assert "3.00 GiB" in page.text
    beside = {path.name for path in (tmp_path / "run/report").iterdir()}
    assert beside == {
        "report.html", "confusion.csv", "classes.csv", "calibration.csv",
        *(f"{name}.{kind}" for name in ("curves", "confusion", "calibration") for kind in ("png", "svg")),
    }  # fmt: skip
    assert sum(int(row["videos"]) for row in rows_of(tmp_path / "run/report/calibration.csv")) == 5


def test_a_run_that_is_not_tested_has_its_curves(tmp_path, capsys):
    run = write_run(tmp_path / "run")
    (run / "report").mkdir()
    (run / "report/confusion.png").write_bytes(b"of an earlier page")
    page = looked(run)
    assert "NOT TESTED" in page.text
    assert f"videogn test --run_dir {run}" in page.text
    assert page.pictures == ["svg+"]
    assert "Confusion" not in page.text
    assert sorted(path.name for path in (run / "report").iterdir()) == ["curves.png", "curves.svg", "report.html"]
    (run / "metrics.csv").unlink()
    assert "Nothing was logged" in looked(run).text


def test_results_of_earlier_versions_and_damaged_ones_say_what_they_have(tmp_path):
    labels, probabilities = draw_scores(40, 3)
    run = write_run(tmp_path / "run", labels=labels, probabilities=probabilities)
    rows = [line.rsplit(",", 1)[0] for line in (run / "videos.csv").read_text().splitlines()]
    assert rows[0] == "index,video,label,predicted,rank,probability"
    (run / "videos.csv").write_text("\n".join(rows) + "\n")
    page = looked(run)
    assert "of an earlier version and has no confidences" in page.text
    assert page.pictures == ["svg+", "svg+"]
    (run / "videos.csv").unlink()
    page = looked(run)
    assert "There is no videos.csv" in page.text
    assert re.search(r"Top-1 \d+\.\d % \(\d+\.\d–\d+\.\d\): \d+ of 40 test videos right", page.text)
    (run / "videos.csv").write_text("index,video,label,predicted,rank,probability\n0,a,0,7,0,0.5\n")
    assert "is not of its result.json" in looked(run).text
    (run / "result.json").write_text('{"top1": 50.0}')
    assert "Top-1 50.0 %, checkpoint not known." in looked(run).text
    (run / "result.json").write_text("{")
    page = looked(run)
    assert "result.json cannot be read" in page.text
    assert "NOT TESTED" in page.text


def test_videos_that_are_gone_are_named_with_their_scores(tmp_path):
    labels, probabilities = draw_scores(300, 4)
    page = looked(write_run(tmp_path / "run", labels=labels, probabilities=probabilities))
    assert page.text.count("predicted as class") == 24
    assert "NO FRAMES: of 24 of them" in page.text
    assert "the file is not there" in page.text
    assert "jpeg" not in page.pictures


def test_400_classes_of_which_many_are_not_in_the_test(tmp_path):
    labels, probabilities = draw_scores(2000, 400, seen=390)
    names = [f"val/{place:05d}.mp4" for place in range(2000)]
    page = looked(
        write_run(tmp_path / "run", names=names, labels=labels, probabilities=probabilities, failed=names[:300])
    )
    num_unseen = 400 - len(set(labels.tolist()))
    assert num_unseen >= 10
    assert f"{num_unseen} classes had no video in the test" in page.text
    assert "The 25 pairs with the most videos" in page.text
    assert "The other 360 classes" in page.text
    assert "100 more videos in result.json" in page.text
    assert page.pictures == ["svg+", "svg+"]
    assert not (tmp_path / "run/report/confusion.png").exists()
    assert len(rows_of(tmp_path / "run/report/confusion.csv")) == 400
    assert (tmp_path / "run/report/report.html").stat().st_size < 1e6


def test_ten_thousand_classes_have_no_matrix(tmp_path):
    labels, probabilities = np.arange(50) * 200, np.zeros((50, 10_000))
    probabilities[np.arange(50), labels // 2] = 0.9
    probabilities[np.arange(50), labels] += 0.1 / 9_999
    run = write_run(tmp_path / "run", labels=labels, probabilities=np.maximum(probabilities, 1e-6))
    text = looked(run).text
    assert "The 25 pairs with the most videos" in text
    assert "The next 960 classes" in text
    assert not (run / "report/confusion.csv").exists()
    assert len(rows_of(run / "report/classes.csv")) == 10_000
    assert (run / "report/report.html").stat().st_size < 3e6


def test_24_strips_of_noise_make_a_page_of_less_than_3_mb(tmp_path):
    root, rng = tmp_path / "data", np.random.default_rng(0)
    names = [f"{place:02d}" for place in range(24)]
    for name in names:
        for index in range(8):
            noise = rng.integers(0, 256, (120, 160, 3), dtype=np.uint8)
            write_image(root / name / f"{index}.png", Image.fromarray(noise))
    probabilities = np.tile([0.3, 0.7], (24, 1))
    run = write_run(tmp_path / "run", root=root, names=names, labels=[0] * 24, probabilities=probabilities)
    page = looked(run)
    assert page.pictures.count("jpeg") == 24
    assert 1e6 < (run / "report/report.html").stat().st_size < 3e6


def test_a_run_of_images_shows_them(tmp_path):
    root = tmp_path / "data"
    for place in range(3):
        write_image(root / f"{place}.png", picture(seed=place))
    names, probabilities = [f"{place}.png" for place in range(3)], np.array([[0.2, 0.8], [0.9, 0.1], [0.6, 0.4]])
    data = {"num_frames": 1, "frame_interval": 1}
    run = write_run(
        tmp_path / "run", root=root, names=names, labels=[0, 0, 0], probabilities=probabilities, data=data, num_frames=1
    )
    page = looked(run)
    assert "single frames" in page.text
    assert page.pictures.count("jpeg") == 1
    assert "No video" not in page.text
    all_right = write_run(tmp_path / "right", labels=[1], probabilities=probabilities[:1])
    assert "No video is wrong." in looked(all_right).text


def test_names_can_hold_anything(tmp_path):
    names = ['<b>&"$x$_*.mp4', "a|b`c`.mp4", "\udcff.mp4"]
    probabilities = np.array([[0.2, 0.8], [0.1, 0.9], [0.4, 0.6]])
    run = write_run(tmp_path / "run", names=names, labels=[0, 0, 0], probabilities=probabilities)
    (run / "classes.json").write_text('["<i>$\\\\frac$|", "ü *b* _x_"]')
    page = looked(run)
    for name in (*names[:2], "\\udcff.mp4", "ü *b* _x_"):
        assert " ".join(name.split()) in html.unescape(page.text)


def test_a_folder_without_a_run_and_one_that_cannot_be_written_to(tmp_path, capsys):
    assert main(["report", str(tmp_path)]) == 2
    assert "holds no run (no config.yaml)" in capsys.readouterr().err
    run = write_run(tmp_path / "run")
    (tmp_path / "file").write_text("")
    assert main(["report", str(run), "--out", str(tmp_path / "file/x")]) == 2
    assert "can't be made" in capsys.readouterr().err
    assert main(["report", str(run), "--out", str(tmp_path / "page")]) == 0
    assert (tmp_path / "page/report.html").is_file()
    assert not (run / "report").exists()


def test_a_folder_of_other_files_is_left_as_it_is(tmp_path, capsys):
    labels, probabilities = draw_scores(20, 3)
    run = write_run(tmp_path / "run", labels=labels, probabilities=probabilities)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "classes.csv").write_text("mine")
    assert main(["report", str(run), "--out", str(mine)]) == 2
    assert f"--out {mine} holds classes.csv, which is of no page: name a folder of its own" in capsys.readouterr().err
    assert [path.name for path in mine.iterdir()] == ["classes.csv"]
    assert (mine / "classes.csv").read_text() == "mine"
    (mine / "classes.csv").rename(mine / "notes.csv")
    assert main(["report", str(run), "--out", str(mine)]) == 0
    assert main(["report", str(run), "--out", str(mine)]) == 0  # over its own
    assert {path.name for path in mine.iterdir()} == {*PAGE_FILES, "notes.csv"}


def test_commands_say_what_the_test_was_asked(tmp_path):
    labels, probabilities = draw_scores(20, 3)
    given = {"labels": labels, "probabilities": probabilities, "root": "/videos", "protocol": "10x3"}
    run = write_run(tmp_path / "a b", **given, checkpoint="runs/x/checkpoints/best.ckpt",
                    test_list={"root": "/others", "list": "/others/test.csv"})  # fmt: skip
    fit, test, report = commands(gather(run))
    assert fit == f"videogn fit --config '{run}/config.yaml' --run_dir '{run}_again'"
    assert test == (
        f"videogn test --run_dir '{run}' --ckpt_path best --data.protocol 10x3 --data.root /others "
        "--data.test_list /others/test.csv"
    )
    assert report == f"videogn report '{run}'"


def test_time_and_curves_are_those_of_the_rows(tmp_path):
    metrics = read_metrics(write_run(tmp_path))
    assert metrics["lr"] == [Logged(1, 10, 0.1), Logged(1, 20, 0.1), Logged(2, 30, 0.05), Logged(2, 40, 0.01)]
    assert update_seconds(metrics, total_batch_size=4) == pytest.approx(10 * 4 / 10 + 30 * 4 / 20)
    assert update_seconds({}, total_batch_size=4) is None
    assert points_of(metrics["val/top1"], shown=error_of) == [(20, 50), (40, 25)]
    again = [Logged(1, 5, 1.0), Logged(1, 3, 2.0), Logged(1, 5, 3.0)]
    assert points_of(again) == [(3, 2.0), (5, 3.0)]
    many = points_of([Logged(1, step, float(step)) for step in range(1, 100_001)])
    assert len(many) <= MOST_POINTS
    assert all(step == pytest.approx(value) for step, value in many)
    assert points_of([]) == []


def test_it_is_made_without_torch(tmp_path, data_root):
    labels, probabilities = np.array([0, 1]), np.array([[0.2, 0.8], [0.1, 0.9]])
    names = ["train/00", "train/01"]  # of a list that names no suffixes: the list itself has to be read
    (tmp_path / "list.txt").write_text("train/00 0\ntrain/01 1\n")
    data = {"test_list": str(tmp_path / "list.txt")}
    run = write_run(
        tmp_path / "run", root=data_root, names=names, labels=labels, probabilities=probabilities, data=data
    )
    code = (
        "import sys\nfrom videogn.cli import main\n"
        f"assert main(['report', {str(run)!r}]) == 0\n"
        "assert {'av', 'matplotlib'} <= set(sys.modules)\nassert not {'torch', 'lightning'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "data:image/jpeg" in (run / "report/report.html").read_text(encoding="utf-8")


ANY = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 10**12) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
RESULT = st.dictionaries(st.sampled_from([field.name for field in fields(Result)]), ANY)
SETTINGS = st.dictionaries(st.sampled_from(["norm", "network", "weights", "root", "num_frames", "test_list"]), ANY)


def has_infinity(value: object) -> bool:
    if isinstance(value, dict | list):
        return any(has_infinity(inner) for inner in (value.values() if isinstance(value, dict) else value))
    return isinstance(value, float) and math.isinf(value)


@example(result={}, known={"norm": math.inf}, top1=0, rows="", metrics="")
@settings(max_examples=40)
@given(
    result=RESULT | ANY,
    known=SETTINGS,
    top1=st.sampled_from([0, 50.0, 100]),
    rows=st.text(max_size=40) | st.sampled_from(["0,a,0,0,0,0.5,0.5\n", "0,a,-1,0,0,1,1\n", "0,a,0,9,0,1,\n"]),
    metrics=st.text(max_size=60),
)
def test_files_of_any_content_make_a_page_or_a_sentence(tmp_path_factory, result, known, top1, rows, metrics):
    run = write_run(tmp_path_factory.mktemp("run"))
    parts = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**parts, "model": known, "data": known}), encoding="utf-8")
    content = {"num_videos_scored": 1, **result, "top1": top1} if isinstance(result, dict) else result
    (run / "result.json").write_text(json.dumps(content), encoding="utf-8")
    head = "index,video,label,predicted,rank,probability,confidence\n"
    (run / "videos.csv").write_bytes((head + rows).encode("utf-8", "surrogatepass"))
    (run / "metrics.csv").write_bytes(("epoch,step,lr\n" + metrics).encode("utf-8", "surrogatepass"))
    if has_infinity(known):
        with pytest.raises(ValueError, match=r"config\.yaml: .*: got -?inf; expected a finite number"):
            gather(run)
        return
    gathered = gather(run)
    answer_text(gathered)
    document = document_of(gathered, curves=None, about=AboutVideos(), strips=[])
    Looked(page_of(document, title="t", pictures={}))
    if gathered.scores is not None:
        find_files(gathered.scores.names, settings=gathered.settings["data"], result=gathered.result)

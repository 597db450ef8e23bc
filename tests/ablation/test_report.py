"""The report's files against hand computation, and what they must not hide."""

import csv
import json
import shlex
from base64 import b64decode
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from shutil import rmtree
from typing import get_args
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.image import imread

from tests.ablation.reports import point, table
from tests.ablation.studies import BASE, STUDY, TOP1, cells, change, fail, make_study
from videogn.ablation.report.gather import gather
from videogn.ablation.report.write import MixedResults, print_summary, write_report
from videogn.ablation.study import Study
from videogn.ablation.study_folder import record_study
from videogn.training.schedule import Scaling, Schedule, in_steps

FILES = {
    "html": "report.html", "markdown": "report.md", "csv": "report.csv",
    "comparisons": "comparisons.csv", "json": "report.json",
    "error": "error.png", "curves": "curves.png", "error_svg": "error.svg", "curves_svg": "curves.svg",
}  # fmt: skip
VOID = {"meta", "br", "img", "link"}


class Page(HTMLParser):
    """Checks that every element is closed in its turn; keeps text, addresses and identifiers."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.tags: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href", "srcset", "data")]
        self.ids += [value for name, value in attrs if name == "id"]
        assert not any(name.startswith("on") for name, _ in attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.open = self.open if tag in VOID else self.open[:-1]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


def test_a_whole_study_makes_every_file_and_nothing_beside(tmp_path):
    before = {path.name for path in make_study(tmp_path).iterdir()}
    for _ in range(2):
        paths = write_report(tmp_path)
    assert paths == {key: tmp_path / name for key, name in FILES.items()}
    assert {path.name for path in tmp_path.iterdir()} == before | set(FILES.values())


def test_accuracies_are_those_computed_by_hand(tmp_path):
    text = write_report(make_study(tmp_path))["markdown"].read_text()
    # 70, 64, 73: 69, sd 4.58; Wilson's at 0.69 * 0.31 / (0.04583^2 / 3) = 305.6 videos and t^2 = 18.51: 67.9 ± 11.1.
    # Less GN at 16 (88, 87, 89.5): mean -19.17, 4.3027 * 3.403 / sqrt(3) = 8.45.
    assert point(text, "BN", "2") == {
        "norm": "BN", "normalisation batch": "2", "top-1 %": "69.00", "these videos": "56.8–79.0",
        "sd": "4.58",
        "to baseline": r"−19.17 ± 8.45 \*", "top-5 %": "99.00", "seeds": "3 of 3", "videos": "400 / 400",
        "protocol": "1x1 (nonlocal)", "same runs as": "",
    }  # fmt: skip
    assert point(text, "GN", "16")["to baseline"] == "baseline"
    assert point(text, "GN", "2")["same runs as"] == "GN at 16"
    assert point(text, "GN", "2")["top-1 %"] == point(text, "GN", "16")["top-1 %"]
    assert "WARNING" not in text
    assert "PARTIAL" not in text


def test_cost_is_told_with_its_units(tmp_path):
    text = write_report(make_study(tmp_path))["markdown"].read_text()
    section = text[text.index("## Cost") :]
    assert point(section, "BN", "2") == {
        "norm": "BN", "normalisation batch": "2", "clips a second": "110.0", "training": "61 s", "test": "4 s",
        "peak MiB": "3072", "updates": "500", "epochs": "2", "device batch": "16", "total batch": "16",
    }  # fmt: skip


def test_csv_has_a_row_for_every_setting_and_seed(tmp_path):
    make_study(tmp_path)
    fail(tmp_path, "bn-nb2-seed1", reason='a, "b"\nc')
    paths = write_report(tmp_path)
    rows = list(csv.DictReader(paths["csv"].read_bytes().decode().splitlines(keepends=True)))
    compared = list(csv.DictReader(paths["comparisons"].read_text().splitlines()))
    assert {row["answer"] for row in (*rows, *compared)} == {"same"}
    assert len(rows) == 12
    for row in rows:
        if row["cell"] == "bn-nb2-seed1":
            assert (row["state"], row["top1"], row["failure_kind"]) == ("failed", "", "not finite")
            assert row["failure_reason"] == 'a, "b"\nc'
            continue
        size = "16" if row["model.norm"] == "gn" else row["norm_batch_size"]
        assert float(row["top1"]) == TOP1[row["model.norm"], size][int(row["seed"])]
        assert row["effective_norm_batch_size"] == ("" if row["model.norm"] == "gn" else row["norm_batch_size"])
        assert (row["protocol"], row["num_videos_scored"], row["code_train"]) == ("1x1 (nonlocal)", "400", "0.1+aa")
        assert float(row["clips_per_second"]) == 110.0
    assert [r["same_as"] for r in rows if r["cell"].startswith("gn-nb2")] == [f"gn-nb16-seed{n}" for n in range(3)]


def test_json_holds_points_comparisons_and_how_each_run_is_made_again(tmp_path):
    fields = json.loads(write_report(make_study(tmp_path))["json"].read_text())
    (bn2,) = [p for p in fields["points"] if p["labels"] == {"model.norm": "bn", "norm_batch_size": "2"}]
    assert bn2["top1"]["mean"] == pytest.approx(69.0)
    assert bn2["error"] == pytest.approx(31.0)
    assert bn2["top1"]["these_videos"] == pytest.approx({"low": 56.808, "high": 79.022}, abs=1e-3)
    assert bn2["top1"]["videos_like_them"] == {"low": None, "high": None}
    assert bn2["top1_less_baseline"]["mean"] == pytest.approx(-19.1667, abs=1e-4)
    assert fields["is_complete"]
    assert len(fields["provenance"]["commands"]) == 9
    assert [c["verdict"] for c in fields["comparisons"]].count("apart") == 2


def test_a_command_makes_a_run_again_from_its_own_config(tmp_path):
    out = make_study(tmp_path / "a b", replace(STUDY, protocol="10x3"))
    (out / "cells/bn-nb2-seed1/config.yaml").unlink()
    commands = json.loads(write_report(out)["json"].read_text())["provenance"]["commands"]
    assert shlex.split(commands["bn-nb2-seed0"]) == [
        "videogn", "fit", "--config", f"{out}/cells/bn-nb2-seed0/config.yaml",
        "--run_dir", "runs/a b-bn-nb2-seed0", "&&",
        "videogn", "test", "--run_dir", "runs/a b-bn-nb2-seed0", "--ckpt_path", "last", "--data.protocol", "10x3",
    ]  # fmt: skip
    words = shlex.split(commands["bn-nb2-seed1"])
    assert words[:6] == ["videogn", "fit", "--config", f"{out}/base.yaml", "--run_dir", "runs/a b-bn-nb2-seed1"]
    assert "--model.norm_batch_size=2" in words


@pytest.mark.parametrize(
    ("fields", "loud"),
    [
        ({"protocol": "10x3"}, "THE PROTOCOLS DIFFER: 1x1 (nonlocal) in gn-nb16-seed0,"),
        ({"dataset_fingerprint": "xyz"}, "THE TEST DATA DIFFER"),
        ({"train_fingerprint": "xyz"}, "THE TRAINING DATA DIFFER (fingerprints of their videos and labels): def in"),
        ({"code": {"train": "0.1+bb", "test": "0.1+aa"}}, "0.1+bb / 0.1+aa in bn-nb2-seed1."),
        ({"code": None}, "not recorded in bn-nb2-seed1."),
    ],
)
def test_what_must_not_stand_in_one_table_is_refused_or_loud(tmp_path, capsys, fields, loud):
    make_study(tmp_path)
    change(tmp_path, "bn-nb2-seed1", **fields)
    with pytest.raises(MixedResults, match="must not stand in one table") as refused:
        write_report(tmp_path)
    assert loud in str(refused.value)
    assert not [path for path in tmp_path.iterdir() if path.name in FILES.values()]
    paths = write_report(tmp_path, mixed=True)
    text = paths["markdown"].read_text()
    assert "> **NOT COMPARABLE:** THE " in text
    assert loud in text
    assert point(text, "BN", "2")["top-1 %"] == "not averaged: mixed"
    assert point(text, "BN", "2")["to baseline"] == "-"
    assert "69.00" not in text
    assert "64.00" in text  # the cell itself still stands in the table of cells
    assert not any("BN at normalisation batch 2" in s for s in json.loads(paths["json"].read_text())["findings"])
    print_summary(gather(tmp_path), paths=paths)
    assert loud in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("fields", "warning"),
    [
        ({"num_videos_scored": 398}, "bn-nb2-seed1: only 398 of 400 videos were scored."),
        ({"steps": 499}, "The numbers of updates differ"),
        ({"norm_batch_size": 4}, "bn-nb2-seed1: its result.json says norm_batch_size 4, and 2 was asked for."),
        ({"norm": "gn"}, "says norm gn, and bn was asked for."),
        ({"seed": 7}, "says seed 7, and 1 was asked for."),
        ({"checkpoint": "a/best.ckpt"}, "bn-nb2-seed1: it was tested by its best.ckpt, and last was asked for."),
        ({"versions": {"python": "3.11.7", "torch": "2.14"}}, "The versions of torch differ: 2.15 in gn-nb16-seed0"),
    ],
)
def test_runs_that_were_not_what_was_asked_are_named(tmp_path, fields, warning):
    assert gather(make_study(tmp_path)).warnings == []
    change(tmp_path, "bn-nb2-seed1", **fields)
    (found,) = gather(tmp_path).warnings
    assert warning in found
    text = write_report(tmp_path)["markdown"].read_text()
    assert f"> **WARNING:** {found}" in text


def test_code_that_changed_within_a_training_is_named(tmp_path):
    make_study(tmp_path)
    (tmp_path / "cells/bn-nb2-seed1/cell.json").write_text('{"code": "0.1+old"}')
    (warning,) = gather(tmp_path).warnings
    assert warning.startswith("bn-nb2-seed1: its training began with the code 0.1+old")


def test_runs_of_other_lengths_are_no_warning_where_the_study_asks_for_them(tmp_path):
    study = Study(base="b", axes={"model.norm": ["gn"], "trainer.max_epochs": [1, 2]})
    make_study(tmp_path, study, top1=lambda cell: 50.0)
    change(tmp_path, "gn-max_epochs1-seed0", epochs=1)
    change(tmp_path, "gn-max_epochs2-seed0", steps=900)
    assert gather(tmp_path).warnings == []


def test_a_refusal_leaves_the_report_from_before_and_says_so(tmp_path):
    before = {path: path.read_bytes() for path in write_report(make_study(tmp_path)).values()}
    change(tmp_path, "bn-nb2-seed1", dataset_fingerprint="xyz")
    with pytest.raises(MixedResults, match=r"report\.md and the files beside it are of results from before"):
        write_report(tmp_path)
    assert {path: path.read_bytes() for path in before} == before


def test_training_data_may_differ_where_an_axis_asks_for_it_or_it_is_not_recorded(tmp_path):
    study = Study(base="b", axes={"data.train_list": ["all.txt", "half.txt"], "model.norm": ["gn", "bn"]}, seeds=[0, 1])
    make_study(tmp_path, study, top1=lambda cell: 50.0 + cell.seed)
    for cell in cells(study):
        if cell.labels["data.train_list"] == "half.txt":
            change(tmp_path, cell.name, train_fingerprint="half")
    gathered = gather(tmp_path)
    assert gathered.mixture == []
    assert [contrast.verdict for contrast in gathered.contrasts] == ["open"] * 4
    change(tmp_path, "train_listhalf.txt-bn-seed1", train_fingerprint=None)
    assert gather(tmp_path).mixture == []
    change(tmp_path, "train_listhalf.txt-bn-seed1", train_fingerprint="def")
    (mixture,) = gather(tmp_path).mixture
    assert mixture.endswith(
        "half in train_listhalf.txt-gn-seed0, train_listhalf.txt-bn-seed0, train_listhalf.txt-gn-seed1; "
        "def in train_listhalf.txt-bn-seed1."
    )


def test_both_fingerprints_are_in_the_report_and_in_its_figures(tmp_path):
    paths = write_report(make_study(tmp_path))
    text = paths["markdown"].read_text()
    assert "**fingerprint of the test data:** abc" in text
    assert "**fingerprint of the training data:** def" in text
    for row in csv.DictReader(paths["csv"].read_text().splitlines()):
        assert (row["dataset_fingerprint"], row["train_fingerprint"]) == ("abc", "def")
    assert {cell["train_fingerprint"] for cell in json.loads(paths["json"].read_text())["cells"]} == {"def"}


def test_a_report_of_a_study_that_has_just_begun_names_some_runs_and_counts_the_others(tmp_path):
    make_study(tmp_path, replace(STUDY, seeds=list(range(7))), top1=lambda cell: 70.0)
    for folder in (tmp_path / "cells").iterdir():
        if folder.name not in ("bn-nb2-seed6", "bn-nb2-seed5"):
            rmtree(folder)
    fail(tmp_path, "bn-nb2-seed6")
    text = write_report(tmp_path)["markdown"].read_text()
    named, _, _ = text.partition("Without a result: ")[2].partition("\n")
    assert named.startswith("bn-nb2-seed6 (failed), gn-nb16-seed0 (not run), ")
    assert named.endswith(" and 8 more.")
    assert named.count("(") == 12  # of 21 runs; gn at 2 is gn at 16


def test_a_partial_study_makes_a_partial_report_that_says_so(tmp_path, capsys):
    make_study(tmp_path)
    fail(tmp_path, "bn-nb2-seed1", reason="a | b", log_tail=("epoch 1", "```", "</code> a | b"))
    (tmp_path / "cells/bn-nb2-seed2/result.json").unlink()
    paths = write_report(tmp_path)
    text = paths["markdown"].read_text()
    assert "> **PARTIAL REPORT:** 10 of 12 cells done, 1 failed, 1 begun and not done." in text
    assert "Without a result: bn-nb2-seed1 (failed), bn-nb2-seed2 (begun)." in text
    assert point(text, "BN", "2")["top-1 %"] == "70.00"
    assert point(text, "BN", "2")["seeds"] == "1 of 3"
    assert "not finite in fit: a \\| b" in text
    assert "\n    ```\n" in text
    assert "PARTIAL: 10 of 12 cells done" in paths["error_svg"].read_text()
    print_summary(gather(tmp_path), paths=paths)
    out = capsys.readouterr().out
    assert "10 of 12 cells done, 1 failed, 1 begun and not done: a PARTIAL report." in out
    assert "bn-nb2-seed1: failed, not finite in fit: a | b" in out


def test_without_any_result_there_is_a_report_and_no_figure(tmp_path):
    make_study(tmp_path)
    write_report(tmp_path)
    for path in tmp_path.glob("cells/*/result.json"):
        path.unlink()
    paths = write_report(tmp_path)
    assert set(paths) == {"html", "markdown", "csv", "comparisons", "json"}
    assert not list(tmp_path.glob("*.png"))
    assert not list(tmp_path.glob("*.svg"))
    assert "there is no answer yet" in paths["markdown"].read_text()


def test_fields_that_are_unknown_are_dashes(tmp_path):
    make_study(tmp_path)
    unknown = dict.fromkeys(("top5", "steps", "train_seconds", "test_seconds", "peak_memory_bytes"))
    for seed in range(3):
        change(tmp_path, f"bn-nb2-seed{seed}", **unknown)
        (tmp_path / f"cells/bn-nb2-seed{seed}/metrics.csv").unlink()
    text = write_report(tmp_path)["markdown"].read_text()
    assert point(text, "BN", "2")["top-5 %"] == "-"
    cost = point(text[text.index("## Cost") :], "BN", "2")
    assert [cost[name] for name in ("clips a second", "training", "test", "peak MiB", "updates")] == ["-"] * 5


def test_the_page_is_well_formed_and_needs_nothing_beside_it(tmp_path):
    make_study(tmp_path, replace(STUDY, paper="table2.csv"))
    text = write_report(tmp_path)["html"].read_text()
    page = Page(text)
    assert [link[:26] for link in page.links] == ["data:image/svg+xml;base64,"] * 2
    for link, name in zip(page.links, ("error.svg", "curves.svg"), strict=True):
        assert b64decode(link[26:]) == (tmp_path / name).read_bytes()
    assert "script" not in page.tags
    assert "@import" not in text
    assert "url(http" not in text
    assert '<html lang="en">' in text
    assert 'alt="Error in percent against normalisation batch. GN: 11.8 at 16' in text
    assert '<th scope="row"><strong>BN</strong></th>' in text
    assert "paper (ImageNet)" in (tmp_path / "error.svg").read_text()


def test_text_stays_text_whatever_it_holds(tmp_path):
    evil = '</title><script>alert(1)</script> $x$ & "q" | `c` *b* [l](http://x)'
    study = Study(
        base="b<i>.yaml",
        title=evil,
        seeds=[0, 1],
        axes={"<b>axis</b>": {"<img src=x onerror=y>": {"model.norm": "gn"}, "a|b $y": {"model.norm": "bn"}}},
    )
    make_study(tmp_path, study, top1=lambda cell: 50.0 + 9 * (cell.norm == "bn") + cell.seed)
    (name,) = [
        path.name for path in (tmp_path / "cells").iterdir() if path.name.endswith("seed1") and "a_b" in path.name
    ]
    fail(tmp_path, name, reason="<script>2</script>", log_tail=("<script>3</script>",))
    paths = write_report(tmp_path)
    page = Page(paths["html"].read_text())
    assert not {"script", "b", "i"} & set(page.tags)
    assert page.tags.count("img") == 2
    shown = "".join(page.texts).replace("\xa0", " ")
    assert evil in shown
    for text in ("<img src=x onerror=y>", "<script>2</script>", "<script>3</script>", "a|b $y"):
        assert text in shown
    for key in ("error_svg", "curves_svg"):
        ElementTree.parse(paths[key])
    markdown = paths["markdown"].read_text()
    prose = "\n".join(line for line in markdown.splitlines() if not line.startswith("    "))
    assert "<script" not in prose
    assert "<img" not in prose
    assert "\\[l\\](http" in prose
    assert len(table(markdown, first="&lt;b&gt;axis&lt;/b&gt;")[0]) == 9


def test_figures_are_drawn_in_the_colours_of_the_norms(tmp_path):
    paths = write_report(make_study(tmp_path))
    picture = imread(paths["error"])
    assert 800 <= picture.shape[1] <= 1600
    for hexadecimal in ("0072b2", "d55e00"):
        colour = np.array([int(hexadecimal[i : i + 2], 16) for i in (0, 2, 4)]) / 255
        assert (np.abs(picture[..., :3] - colour).max(axis=-1) < 0.01).sum() > 500
    texts = "".join(ElementTree.parse(paths["error_svg"]).getroot().itertext())
    for text in ("GN, one run", "BN", "31.0", "11.8", "normalisation batch: clips"):
        assert text in texts


def test_the_same_results_make_the_same_bytes(tmp_path):
    paths = write_report(make_study(tmp_path))
    before = {key: path.read_bytes() for key, path in paths.items()}
    assert {key: path.read_bytes() for key, path in write_report(tmp_path).items()} == before


def test_a_study_without_normalisation_batches_has_a_row_for_each_level(tmp_path):
    study = Study(base="b", axes={"data.num_frames": [8, 4]}, seeds=[0, 1, 2])
    make_study(tmp_path, study, top1=lambda cell: 50.0 + cell.effective["data.num_frames"] + cell.seed)
    paths = write_report(tmp_path)
    texts = "".join(ElementTree.parse(paths["error_svg"]).getroot().itertext())
    assert "num_frames 8" in texts
    assert "41.0" in texts  # 100 - (50 + 8 + 1)
    text = paths["markdown"].read_text()
    assert "num_frames 4 is 4.0 ± 0.3 points below num_frames 8 on these videos." in text


def test_a_paper_comparison_says_its_rules_and_its_batches(tmp_path):
    study = Study(
        base="b", axes={"model.norm": ["gn", "bn"], "norm_batch_size": [8, 4]}, comparison="paper", num_devices=8,
        settings={"model.schedule.scaling": "nonlocal"}, seeds=[0],
    )  # fmt: skip
    make_study(tmp_path, study, top1=lambda cell: 50.0)
    text = write_report(tmp_path)["markdown"].read_text()
    assert "The total batch is the normalisation batch × 8, the learning rate is linear in it" in text
    assert "nonlocal (half the batch takes 1.5 times the updates)" in text
    assert "- **total batch:** clips per update: 64, 32" in text
    assert "same runs as" not in text  # group norm at another total batch is another computation


@pytest.mark.parametrize(
    ("ends", "says"),
    [
        (
            {"max_steps": 500},
            "is trainer.max_steps 500, whatever the schedule's length and scaling (the number of upda",
        ),
        ({"max_epochs": 2}, "is trainer.max_epochs 2, whatever the schedule's length and scaling (every video is seen"),
        (
            {"max_epochs": 9, "max_steps": 500},
            "is trainer.max_steps 500 or trainer.max_epochs 9, whichever comes first,",
        ),
        ({"max_epochs": -1, "max_steps": None}, "follows the schedule's scaling, nonlocal (half the batch takes 1.5"),
    ],
)
def test_the_trainers_own_end_wins_over_the_schedules(tmp_path, ends, says):
    settings = {"model.schedule.scaling": "nonlocal", **{f"trainer.{name}": end for name, end in ends.items()}}
    study = Study(
        base="b", axes={"model.norm": ["bn"], "norm_batch_size": [8, 4]}, comparison="paper", num_devices=8,
        settings=settings,
    )  # fmt: skip
    text = write_report(make_study(tmp_path, study, top1=lambda cell: 50.0))["markdown"].read_text()
    assert f"linear in it, and the run's length {says}" in text
    assert "WARNING" not in text
    assert "not all were that long" not in text


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        ({"trainer.max_steps": 501}, "bn-nb4-seed0: its training took 500 updates; asked for: 501 updates."),
        ({"trainer.max_epochs": 1}, "bn-nb4-seed0: its training took 2 epochs; asked for: 1 epoch."),
        # 500 at a total batch of 64 are 750 at one of 32.
        ({"model.schedule.length": 500}, "bn-nb4-seed0: its training took 500 updates; asked for: 750 updates."),
    ],
)
def test_runs_that_were_not_as_long_as_asked_are_named(tmp_path, settings, warning):
    study = Study(
        base="b", axes={"model.norm": ["bn"], "norm_batch_size": [8, 4]}, comparison="paper", num_devices=8,
        settings={"model.schedule.scaling": "nonlocal", **settings},
    )  # fmt: skip
    make_study(tmp_path, study, top1=lambda cell: 50.0)
    text = write_report(tmp_path)["markdown"].read_text()
    assert f"> **WARNING:** {warning}" in text
    assert "; not all were that long, see the warnings." in text
    make_study(tmp_path / "best", replace(study, checkpoint="best"), top1=lambda cell: 50.0, checkpoint="best.ckpt")
    assert gather(tmp_path / "best").warnings == []  # the best checkpoint's updates are not the run's


@pytest.mark.parametrize("scaling", get_args(Scaling))
def test_a_run_of_the_schedules_own_length_is_as_long_as_asked(tmp_path, scaling):
    study = Study(
        base="b", axes={"model.norm": ["bn"], "norm_batch_size": [12, 8, 5, 1]}, comparison="paper", num_devices=8,
        settings={"model.schedule.scaling": scaling, "model.schedule.length": 1001},
    )  # fmt: skip
    make_study(tmp_path, study, top1=lambda cell: 50.0)
    for cell in cells(study):
        schedule = Schedule(scaling=scaling, length=1001)
        steps = in_steps(1001, schedule, total_batch_size=cell.batches.total, steps_per_epoch=1)
        change(tmp_path, cell.name, steps=steps)
    assert gather(tmp_path).warnings == []


def test_the_papers_total_batch_is_told_where_it_is_another(tmp_path):
    clips = {"32x2": {"data.num_frames": 32, "data.frame_interval": 2}}
    study = Study(
        base="b", axes={"clips": clips, "model.norm": ["bn"], "norm_batch_size": [8, 4]}, total_batch_size=64,
        paper="table8.csv",
    )  # fmt: skip
    paths = write_report(make_study(tmp_path, study, top1=lambda cell: 50.0))
    rows = table(paths["markdown"].read_text(), first="clips")
    assert [row["paper %"] for row in rows[:2]] == [
        "73.3 / 90.7 (Kinetics-400)", "72.1 / 90.0 (Kinetics-400, total batch 32)",
    ]  # fmt: skip
    text = paths["markdown"].read_text()
    assert "10-clip test; on Kinetics-400; total batch 32 where ours is 64. Its data and trainings, not ours" in text
    assert "Hollow: the paper's figures, on Kinetics-400, total batch 32 where ours is 64." in text
    paper = [point["paper"]["total_batch_size"] for point in json.loads(paths["json"].read_text())["points"]]
    assert paper == [64, 32]


def test_a_paper_that_is_gone_costs_its_figures_and_not_the_report(tmp_path):
    paths = write_report(make_study(tmp_path, replace(STUDY, paper=str(Path("gone.csv")))))
    assert "Without the paper's figures: paper: there is no gone.csv" in paths["markdown"].read_text()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"top5": 3}', '{"top1": "80"}', '{"top1": NaN}', '{"top1": 101}', '{"top1": true}']
)
def test_what_holds_no_accuracy_is_no_result(tmp_path, text):
    make_study(tmp_path)
    (tmp_path / "cells/bn-nb2-seed1/result.json").write_text(text)
    (outcome,) = [outcome for outcome in gather(tmp_path).outcomes if outcome.cell.name == "bn-nb2-seed1"]
    assert outcome.state == "failed"
    assert outcome.failure.kind == "no result"


@pytest.mark.parametrize(
    ("seeds", "says", "bands"),
    [
        ([0], "One seed: no bars", "One seed: no bands"),
        ([0, 1], "Means over 2 seeds, bars: standard deviations, dots: single seeds", "bands: lowest to highest seed"),
        (
            [0, 1, 2],
            "Means over 3 seeds, bars: 95 % intervals over seeds (these videos), dots: single seeds",
            "bands: lowest to highest seed",
        ),
    ],
)
@pytest.mark.parametrize("axes", [STUDY.axes, {"model.norm": ["gn", "bn"]}])
def test_a_figure_says_itself_what_its_bars_are(tmp_path, seeds, says, bands, axes):
    make_study(tmp_path, replace(STUDY, seeds=seeds, axes=axes, baseline={}), top1=lambda cell: 50.0 + cell.seed)
    paths = write_report(tmp_path)
    assert says in figure_text(paths["error_svg"])
    assert bands in figure_text(paths["curves_svg"])


def test_the_legend_of_the_curves_has_only_levels_that_are_drawn(tmp_path):
    study = Study(base="b", axes={"data.num_frames": [8, 4], "model.norm": ["gn", "bn"]})
    make_study(tmp_path, study, top1=lambda cell: 50.0)
    assert {"8", "4"} <= set(figure_texts(write_report(tmp_path)["curves_svg"]))
    for name in ("num_frames4-gn-seed0", "num_frames4-bn-seed0"):
        fail(tmp_path, name)
    texts = figure_texts(write_report(tmp_path)["curves_svg"])
    legend = texts[: texts.index("validation")][-1]
    assert legend == "8"
    make_study(tmp_path / "gn", replace(STUDY, axes={"model.norm": ["gn"], "norm_batch_size": [16, 2]}, baseline={}))
    assert not any("normalisation batch" in t for t in figure_texts(write_report(tmp_path / "gn")["curves_svg"]))


def figure_texts(path: Path) -> list[str]:
    return [text.strip() for text in ElementTree.parse(path).getroot().itertext() if text.strip()]


def figure_text(path: Path) -> str:
    return " ".join(figure_texts(path))


def test_seeds_that_are_added_to_a_list_after_results_were_there_are_said(tmp_path):
    out = make_study(tmp_path, replace(STUDY, seeds=[0]))

    def warned(*seeds: int) -> list[str]:
        asked = replace(STUDY, seeds=list(seeds))
        record_study(asked, base=BASE, out=out)
        return [text for text in gather(out).warnings if "Seeds were added" in text]

    assert warned(0, 1) == []  # one seed said nothing
    rmtree(out / "cells")
    make_study(out, replace(STUDY, seeds=[0, 1]))
    assert warned(0, 1) == []
    (text,) = warned(0, 1, 2)
    assert text.startswith("Seeds were added to 0 and 1 when results of these were there: 2. Where one looks at ")
    assert warned(0, 1, 2) == [text]  # once and for all
    assert text in write_report(out)["json"].read_text()
    assert "These shares do not hold here: seeds were added" in (out / "report.md").read_text()

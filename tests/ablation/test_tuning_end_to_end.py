"""A tuned study that trains: the search is scored on videos that no result is scored on, and both train as they say."""

import json
from pathlib import Path

import pytest
import yaml

from tests.runs import TINY, videogn
from videogn.data.motions.synthesize import synthesize


@pytest.mark.slow
@pytest.mark.parametrize("is_deep", [False, True])
def test_a_search_and_the_results_at_its_best(is_deep, tmp_path, pytestconfig):
    """Judged by the validation list, the base config's value the best; deep: by a part held out, another the best."""
    if is_deep and not pytestconfig.getoption("--full"):
        pytest.skip("a minute more, of parts that are tested alone: with --full")
    synthesize(tmp_path / "videos", num_train=40, num_val=8, num_test=9, num_workers=0)
    (tmp_path / "tiny.yaml").write_text(TINY)
    lists = {} if is_deep else {"data.test_list": "test.csv"}
    value = 0.2 if is_deep else 0.4
    study = {
        "base": "tiny.yaml",
        "axes": {"model.norm": ["gn"]},
        "total_batch_size": 4,
        "protocol": "1x1",
        "settings": {"data.root": "videos", "trainer.max_epochs": 1, **lists},
        "tune": {"model.base_lr": [value]},
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    videogn("ablate", "--config", "study.yaml", "--out", "study", cwd=tmp_path)
    cells = tmp_path / "study" / "cells"
    results = {path.parent.name: json.loads(path.read_text()) for path in cells.glob("*/result.json")}
    same, search = results.pop("gn-seed0"), results.pop(f"gn-tuning-base_lr{value}-seed1000")
    assert list(results) == (["gn-best-base_lr0.2-seed0"] if is_deep else [])
    for result in (same, *results.values()):
        assert result["num_videos_scored"] == (8 if is_deep else 9)
        assert (result["dataset_fingerprint"], result["steps"]) == (same["dataset_fingerprint"], 10)
        assert result["train_fingerprint"] == same["train_fingerprint"]
    assert search["num_videos_scored"] == 8  # the list that validates; or a fifth of the 40
    assert search["dataset_fingerprint"] != same["dataset_fingerprint"]
    assert (search["train_fingerprint"] == same["train_fingerprint"]) != is_deep
    assert (search["steps"], search["seed"]) == (8 if is_deep else 10, 1000)
    assert search["extras"].get("data.hold_out") == (0.2 if is_deep else None)
    report = (tmp_path / "study" / "report.md").read_text()
    judge = "a held-out part of the training list" if is_deep else "the validation list, on which no result is scored"
    assert judge in report


def test_every_way_to_name_what_is_tuned_is_the_same(tmp_path, monkeypatch, capsys):
    """In the study's file, and by dotted names over it."""
    from videogn.commands import ablate

    asked = []
    monkeypatch.setattr(ablate, "run_study", lambda study, cells, **rest: asked.append(study) or 0)
    monkeypatch.chdir(tmp_path)
    Path("b.yaml").write_text("model: {norm: gn}\ndata: {batch_size: 4}\ntotal_batch_size: 8\n")
    Path("s.yaml").write_text("base: b.yaml\naxes: {model.norm: [gn]}\ntune: {model.base_lr: [0.1, 0.2]}\n")
    assert ablate.run(["ablate", "--config", "s.yaml"]) == 0
    assert ablate.run(["ablate", "--config", "s.yaml", "--tune.model.base_lr", "[0.1, 0.2, 0.4]"]) == 0
    words = ["--base", "b.yaml", "--axes.model.norm", "[gn]", "--tune.model.base_lr", "[0.1, 0.2]"]
    assert ablate.run(["ablate", *words, "--tuning_seeds", "[7, 8]"]) == 0
    assert [study.tune for study in asked] == [
        {"model.base_lr": [0.1, 0.2]}, {"model.base_lr": [0.1, 0.2, 0.4]}, {"model.base_lr": [0.1, 0.2]},
    ]  # fmt: skip
    assert [study.tuning_seeds for study in asked] == [[1000], [1000], [7, 8]]

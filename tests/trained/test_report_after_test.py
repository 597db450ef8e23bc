"""The page that a test ends with, of a run that was trained."""

import shutil
from pathlib import Path

import pytest

import videogn
from tests.trained.reports import rows_of
from videogn.cli import main
from videogn.training.metrics import read_metrics
from videogn.training.result import read_result

pytestmark = pytest.mark.slow


@pytest.fixture
def own(run: Path, tmp_path: Path) -> Path:
    """A copy of a run, to be tested; its config names a data root that is gone."""
    return Path(shutil.copytree(run, tmp_path / "run"))


def test_a_test_ends_with_the_page_and_finds_its_videos(own, data_root, capfd):
    words = ["test", "--run_dir", str(own), "--data.root", str(data_root), "--data.protocol", "1x1"]
    assert main(words) == 0
    assert f"written: {own / 'report/report.html'}" in capfd.readouterr().out
    page = (own / "report/report.html").read_text(encoding="utf-8")
    rows = rows_of(own / "videos.csv")
    assert page.count("data:image/jpeg") == sum(row["rank"] != "0" for row in rows)
    assert read_result(own / "result.json").test_list == {"root": str(data_root), "list": str(data_root / "val.csv")}
    model = videogn.load(own, protocol="1x1")
    for row in rows:
        said = model(data_root / row["video"])
        assert float(row["confidence"]) == pytest.approx(max(said.values()), abs=1e-5)
        assert model.classes[int(row["predicted"])] == max(said, key=said.get)
        assert float(row["probability"]) == pytest.approx(said[model.classes[int(row["label"])]], abs=1e-5)


def test_a_page_that_cannot_be_written_costs_the_page_alone(own, data_root, capfd):
    shutil.rmtree(own / "report", ignore_errors=True)
    (own / "report").write_text("in its way")
    words = ["test", "--run_dir", str(own), "--data.root", str(data_root), "--data.protocol", "1x1"]
    assert main(words) == 0
    said = f"no page of the run was written (exit status 2): `videogn report {own}` tries again"
    assert said in capfd.readouterr().out
    assert read_result(own / "result.json").num_videos_scored == 5
    (own / "report").unlink()
    assert main([*words, "--no_report"]) == 0
    assert not (own / "report").exists()


def test_the_learning_rate_is_logged_as_it_was(run):
    """Constant up to the first milestone: 0.4 for 64 clips, of which an update has 4."""
    logged = read_metrics(run)["lr"]
    assert [each.step for each in logged] == [1, 2, 3]
    assert [each.value for each in logged] == pytest.approx([0.4 * 4 / 64] * 3)


def test_a_page_of_an_earlier_test_does_not_stay_beside_a_newer_result(own, data_root):
    words = ["test", "--run_dir", str(own), "--data.root", str(data_root), "--data.protocol", "1x1"]
    assert main(words) == 0
    assert main([*words, "--no_report", "--data.test_list", "none.csv"]) == 2  # no test, and the page stays
    assert (own / "report" / "report.html").exists()
    assert main([*words, "--no_report"]) == 0
    assert not (own / "report" / "report.html").exists()

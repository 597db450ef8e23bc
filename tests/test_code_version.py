"""The digest of the sources that numbers depend on."""

import re
import shutil
from pathlib import Path

import pytest

import videogn
from videogn.code_version import SOURCES, code_version


@pytest.fixture
def copy(tmp_path, monkeypatch) -> Path:
    """A copy of the package that code_version looks at."""
    home = tmp_path / "videogn"
    shutil.copytree(Path(videogn.__file__).parent, home, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(videogn, "__file__", str(home / "__init__.py"))
    return home


def test_the_same_sources_elsewhere_are_the_same_version(copy):
    here = code_version()
    assert re.fullmatch(rf"{re.escape(videogn.__version__)}\+[0-9a-f]{{12}}", here)
    assert code_version.__wrapped__() == here  # of the copy: nothing is cached there


@pytest.mark.parametrize("source", SOURCES)
def test_a_change_in_what_makes_numbers_is_seen(copy, source):
    before = code_version.__wrapped__()
    with sorted([copy / source, *(copy / source).rglob("*.py")])[-1].open("a") as file:
        file.write("\n# changed\n")
    assert code_version.__wrapped__() != before


def test_a_file_that_moves_is_seen_and_a_report_that_changes_is_not(copy):
    before = code_version.__wrapped__()
    (copy / "ablation" / "report.py").write_text("")
    assert code_version.__wrapped__() == before
    (copy / "models" / "norm.py").rename(copy / "models" / "norms.py")
    assert code_version.__wrapped__() != before

"""What the pages of the project say: links lead somewhere, commands and settings exist."""

import re
import shlex
from functools import cache
from pathlib import Path

import pytest

from videogn.cli import COMMANDS, main
from videogn.commands.configs import find_config

HOME = Path(__file__).parents[1]
PAGES = sorted(
    page
    for page in [*HOME.glob("*.md"), *HOME.glob("*/*.md"), *HOME.glob(".github/*.md"), HOME / "data/results/README.md"]
    if page.relative_to(HOME).parts[0] in {"README.md", "configs", "data", "tests", ".github"}
)
NAMES = [str(page.relative_to(HOME)) for page in PAGES]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def commands(page: Path) -> list[list[str]]:
    """The words of every `videogn ...` in a page, comments left out."""
    text = page.read_text()
    fenced = re.findall(r"```(?:\w*)\n(.*?)```", text, flags=re.DOTALL)
    lines = [line.partition("  #")[0] for block in fenced for line in block.splitlines()]
    lines += re.findall(r"`(videogn [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    return [shlex.split(" ".join(line.split())) for line in lines if line.strip().startswith("videogn ")]


@cache
def help_of(*words: str) -> str:
    import contextlib
    import io

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
        main([*words, "--help"])
    return said.getvalue()


def test_the_pages_are_found():
    assert {"README.md", "configs/README.md", "data/README.md", "data/results/README.md", "tests/README.md"} < set(
        NAMES
    )
    assert sum(len(commands(page)) for page in PAGES) > 40


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name):
    page = HOME / name
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_nothing_is_left_to_fill_in():
    for page in [*map(HOME.joinpath, NAMES), *(HOME / "configs").rglob("*.yaml")]:
        assert not re.search(r"@@|TODO|TBD|to be measured", page.read_text(encoding="utf-8")), page


@pytest.mark.parametrize("name", NAMES)
def test_commands_and_their_settings_exist(name, monkeypatch):
    monkeypatch.setattr("sys.argv", ["videogn"])
    monkeypatch.setenv("COLUMNS", "200")
    for words in commands(HOME / name):
        command, *rest = words[1:]
        if command in {"--help", "COMMAND"}:
            continue
        assert command in COMMANDS, words
        sub = rest[:1] if command in {"data", "weights", "bench"} and rest and not rest[0].startswith("-") else []
        known = help_of(command, *sub)
        if command in {"plan", "doctor"} or sub == ["check"]:
            known += help_of("fit")
        for place, word in enumerate(rest):
            flag = word.partition("=")[0]
            if flag == "--config" and re.fullmatch(r"[\w/.]+\.yaml", rest[place + 1]) and rest[place + 1].islower():
                assert find_config(rest[place + 1])
            if not flag.startswith("--") or flag == "--help":
                continue
            setting = re.sub(r"^(--settings|--axes|--baseline)\..*", r"\1", flag)  # dotted names of a study
            assert re.search(rf"{re.escape(setting)}\b", known), f"{' '.join(words)}: {flag}"


def test_what_is_promised_has_a_test():
    promises = (HOME / "README.md").read_text().partition("## What you can rely on")[2].partition("\n## ")[0]
    named = re.findall(r"`((?:tests/\S+\.py)?)::(test_\w+)`", promises)
    assert len(named) > 10
    file = ""
    for path, test in named:
        file = path or file
        assert f"def {test}(" in (HOME / file).read_text(), test

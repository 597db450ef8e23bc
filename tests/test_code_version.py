"""The digest of the code that numbers depend on."""

import ast
import io
import re
import shutil
import tokenize
from pathlib import Path

import pytest

import videogn
from videogn.code_version import EXEMPT, code_version, without_words


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


@pytest.mark.parametrize(
    "source", ["models/norm.py", "data/dataset.py", "training/update.py", "commands/trainer.py", "new/thing.py"]
)
def test_code_that_changes_or_is_new_is_seen(copy, source):
    before = code_version.__wrapped__()
    (copy / source).parent.mkdir(exist_ok=True)
    with (copy / source).open("a") as file:
        file.write("\nCHANGED = 1\n")
    assert code_version.__wrapped__() != before


def test_words_are_no_code(copy):
    before = code_version.__wrapped__()
    path = copy / "models" / "norm.py"
    text = path.read_text().replace('"""The normalizations under study', '"""The norms', 1)
    text = text.replace("  # Wu & He, section 3.2", "  # of the paper", 1).replace("\n\n\n", "\n\n\n\n# more\n", 1)
    assert text != path.read_text()
    path.write_text(text)
    assert code_version.__wrapped__() == before


def test_what_is_exempt_is_there_and_changes_nothing(copy):
    before = code_version.__wrapped__()
    for source in EXEMPT:
        with sorted([copy / source, *(copy / source).rglob("*.py")])[-1].open("a") as file:
            file.write("\nCHANGED = 1\n")
    assert code_version.__wrapped__() == before


def test_a_file_that_moves_is_seen(copy):
    before = code_version.__wrapped__()
    (copy / "models" / "norm.py").rename(copy / "models" / "other.py")
    assert code_version.__wrapped__() != before


SOURCE = '''\
"""Of the module: ünï."""  # a comment


class A:  # ä comment
    """Of the class,

    on three lines."""

    x = "# no comment", f"{'#'}"  # one, ü before: "
    y = """no docstring

    # nor a comment"""

    async def f(self):
        "A docstring."; return 1

    def g(self):
        return "no docstring"
'''
CODE = '''\
class A:
    x = "# no comment", f"{'#'}"
    y = """no docstring
    # nor a comment"""
    async def f(self):
        ; return 1
    def g(self):
        return "no docstring"'''


def test_comments_docstrings_and_empty_lines_are_cut_and_nothing_else():
    assert without_words(SOURCE) == CODE
    assert without_words(CODE.replace("        ; return 1", "        return 1")) != without_words(SOURCE)


def test_of_every_source_what_is_cut_is_what_pythons_tokenizer_calls_comments_and_its_parser_docstrings():
    layout = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}

    def tokens(source: str) -> list[tuple[tuple[int, int], str]]:
        """Return (line, column) and text of each, without the ends and empty lines that are cut in strings, too."""
        found = [each for each in tokenize.generate_tokens(io.StringIO(source).readline) if each.type not in layout]
        return [
            (each.start, "\n".join(line.rstrip() for line in each.string.splitlines() if line.strip()))
            for each in found
        ]

    home = Path(videogn.__file__).parent
    for path in sorted(home.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        first = [node.body[0] for node in ast.walk(ast.parse(source)) if isinstance(node, documented) and node.body]
        docstrings = {
            (one.lineno, one.col_offset)
            for one in first
            if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant) and isinstance(one.value.value, str)
        }
        expected = [text for start, text in tokens(source) if start not in docstrings]
        assert [text for _, text in tokens(without_words(source))] == expected, path

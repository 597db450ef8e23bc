"""Which code made a number: the version, and a digest of the sources that a number depends on."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import videogn

# What changes no number: how runs are compared, shown, planned, measured and helped along. All other code counts.
EXEMPT = (
    "ablation",
    "cli.py",
    "page.py",
    "tools",
    *(
        f"commands/{name}.py"
        for name in (
            *(
                "ablate",
                "bench",
                "bench_model",
                "bench_tables",
                "data",
                "data_check",
                "data_prepare",
                "data_split",
                "data_synthesize",
                "fits",
                "measure",
            ),
            *("models", "plan", "planned", "predictions", "progress", "refusals", "study_words"),
            *("usage", "weights"),
        )
    ),
)


# A string, in which "#" is a character like others; Q is a quote. Of Python 3.11: an f-string has no quotes of its own
# kind within.
_STRING = rb"QQQ(?:[^Q\\]|\\.|Q(?!QQ))*QQQ|Q(?:[^Q\\]|\\.)*Q"
_COMMENT = rb"#[^\n]*"
_STRING_OR_COMMENT = re.compile(
    b"|".join([_STRING.replace(b"Q", b'"'), _STRING.replace(b"Q", b"'"), _COMMENT]), re.DOTALL
)


@cache
def code_version() -> str:
    """Return the version and the first 12 digits of a SHA-256 of the sources, such as "0.1.0+4f1d2c8a9b3e".

    Two runs with the same one came from the same code, installed or in a checkout, committed or not. Comments,
    docstrings and empty lines are no code: a mistake that is mended there leaves the version as it is.
    """
    home = Path(videogn.__file__).parent
    exempt = [home / path for path in EXEMPT]
    digest = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        if not any(path.is_relative_to(each) for each in exempt):
            code = without_words(path.read_text(encoding="utf-8")).encode()
            digest.update(f"{path.relative_to(home).as_posix()} {len(code)}\n".encode())
            digest.update(code)
    return f"{videogn.__version__}+{digest.hexdigest()[:12]}"


def without_words(source: str) -> str:
    """Return a source without comments, docstrings and empty lines; the same under any version of Python.

    The text is cut at positions, not written again from a tree, which Python's versions write differently. (Python's
    own tokenizer would make it three times as long, at the start of every run.)
    """
    text = source.encode()
    cuts = []  # (line, first byte, byte behind the last), lines from 0
    for found in _STRING_OR_COMMENT.finditer(text):
        if found[0].startswith(b"#"):
            first = found.start() - (text.rfind(b"\n", 0, found.start()) + 1)
            cuts.append((text.count(b"\n", 0, found.start()), first, first + len(found[0])))
    lines = text.splitlines()
    for words in _docstrings(ast.parse(source)):
        assert words.end_lineno is not None
        assert words.end_col_offset is not None
        for line in range(words.lineno - 1, words.end_lineno):
            first = words.col_offset if line == words.lineno - 1 else 0
            last = words.end_col_offset if line == words.end_lineno - 1 else len(lines[line])
            cuts.append((line, first, last))
    for line, first, last in sorted(cuts, reverse=True):
        lines[line] = lines[line][:first] + lines[line][last:]
    return "\n".join(code for line in lines if (code := line.decode().rstrip()))


def _docstrings(node: ast.AST) -> Iterator[ast.stmt]:
    """Yield the docstrings in and under a node, of which statements alone can have some."""
    match node:
        case ast.Module() | ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
            if ast.get_docstring(node, clean=False) is not None:
                yield node.body[0]
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(node, name, None)
        for each in below if isinstance(below, list) else ():  # a lambda's body is an expression
            yield from _docstrings(each)

"""What the parser says of a setting that it refuses, in a user's words."""

from __future__ import annotations

import difflib
import inspect
import re
from dataclasses import fields

from lightning import Trainer

from videogn.data.datamodule import KineticsDataModule
from videogn.training.module import VideoClassifier
from videogn.training.schedule import Schedule

_UNKNOWN = re.compile(r"unrecognized arguments: --([\w.]+)")
_TYPE = re.compile(r'Parser key "([\w.]+)": .*?(?:Got value|Given value): (.*)')
_EXPECTED = re.compile(r"Expected an? (?:<class '(\w+)'>|(tuple with \d+ elements))")
_WORDS = {"float": "a number", "int": "a whole number", "bool": "true or false", "str": "a text", "tuple": "a list"}
_LITERAL = re.compile(r'Parser key "([\w.]+)": Expected a typing\.Literal\[(.*?)\]\. Got value: (.*)')


def in_words(line: str) -> str:
    """Return a line of the parser's as what was got, what was expected, and what to change; others as they are."""
    if found := _UNKNOWN.search(line):
        near = difflib.get_close_matches(found[1], _names(), n=1)
        return f"{found[1]} is no setting of `videogn fit`" + (f"; did you mean {near[0]}?" if near else "")
    if found := _LITERAL.search(line):
        return f"{found[1]}: got {found[3]}; expected one of {found[2].replace(chr(39), '')}"
    kinds = [name or elements.replace("tuple with", "a list of") for name, elements in _EXPECTED.findall(line)]
    words = dict.fromkeys(_WORDS.get(kind, kind) for kind in kinds if kind != "NoneType")
    if (found := _TYPE.search(line)) and words:
        return f"{found[1]}: got {found[2]}; expected {' or '.join(words)}"
    return line


def _names() -> list[str]:
    """Return the settings of a run, by dotted names."""
    parts = {"model": VideoClassifier, "data": KineticsDataModule, "trainer": Trainer}
    names = [f"{part}.{name}" for part, of in parts.items() for name in inspect.signature(of).parameters]
    return [*names, *(f"model.schedule.{field.name}" for field in fields(Schedule)), "precise_bn_batches"]

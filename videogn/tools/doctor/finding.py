"""A question, its verdict, the evidence, and what to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Verdict = Literal["fine", "look", "stop"]


@dataclass(frozen=True)
class Finding:
    """An answer of the doctor's.

    Attributes:
        verdict: fine; look (it may cost accuracy or time); stop (a training would be wasted).
        advice: What to do; empty where nothing is.
    """

    question: str
    verdict: Verdict
    evidence: str
    advice: str = ""
    figures: dict[str, Any] = field(default_factory=dict)
    not_tried: list[str] = field(default_factory=list)

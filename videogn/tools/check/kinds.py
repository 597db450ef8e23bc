"""What a check finds: kinds, what each does to a run, and what to do about it."""

from __future__ import annotations

from typing import NamedTuple

# How bad it is: a run stops, or its numbers are others than they seem; or it is good to know.
STOPS, DISTORTS, NOTE = "stops", "distorts", "note"


class Kind(NamedTuple):
    """How bad it is, what to do, and whether the videos are named in the file of what to leave out.

    What is a guess is named there, too, and commented out.
    """

    weight: str
    advice: str
    leaves_out: bool = False
    is_guess: bool = False


_LEAVE_OUT = "leave it out (exclude.txt), or get it anew"
KINDS = {
    "list": Kind(STOPS, "mend the list or the settings: until then none of its videos is checked"),
    "label without name": Kind(STOPS, "name the class in the file of classes, or correct the labels"),
    "unreadable": Kind(STOPS, _LEAVE_OUT, True),
    "crash": Kind(STOPS, _LEAVE_OUT, True),
    "turning": Kind(STOPS, "encode it anew (videogn data prepare does not take it, either), or leave it out", True),
    "no frame rate": Kind(STOPS, "leave it out, or go by frames, without data.target_fps", True),
    "missing": Kind(DISTORTS, _LEAVE_OUT, True),
    "damaged": Kind(DISTORTS, _LEAVE_OUT, True),
    "cut short": Kind(DISTORTS, _LEAVE_OUT, True),
    "copy in another split": Kind(DISTORTS, "leave out this one; the other, of val or test, stays", True),
    "look-alike in another split": Kind(
        DISTORTS,
        "look at both; if they show the same, leave out this one: exclude.txt has it commented out",
        True,
        True,
    ),
    "source in another split": Kind(DISTORTS, "keep a source on one side: videogn data split"),
    "in two splits": Kind(DISTORTS, "take it out of one list"),
    "two classes": Kind(DISTORTS, "decide which label is right, and leave the other one out"),
    "class without videos": Kind(DISTORTS, "get videos of the class, or take it out of the classes"),
    "label gap": Kind(DISTORTS, "count labels from 0, without gaps, or give a file of classes"),
    "copy": Kind(NOTE, "leave this one out: its first counts twice", True),
    "look-alike": Kind(NOTE, "look at both; one of them may be left out"),
    "damaged elsewhere": Kind(NOTE, "nothing: no clip touches the place, by these settings"),
    "short": Kind(NOTE, "nothing (it is looped), or fewer frames, or a smaller interval"),
    "imbalance": Kind(
        NOTE, "more videos of the small class, or data.balanced_sampling; read per_class.csv beside the accuracy"
    ),
    "source in another split?": Kind(
        NOTE,
        "keep a source on one side (videogn data split), or, where names mislead, name groups in the lists",
    ),
    "class missing in a test": Kind(NOTE, "read the accuracy as that of the other classes"),
    "rates differ": Kind(NOTE, "data.target_fps, so that a clip is as long in all"),
    "orientation": Kind(NOTE, "look at it: turn it, or leave it out"),
    "wrong times": Kind(NOTE, "nothing, but a clip takes a decode of all before it: videogn data prepare mends that"),
}


class Finding(NamedTuple):
    """Something that was found.

    Attributes:
        split: Of which list; "" of none.
        video: Its name as the list has it, or what else is meant: a class, a list.
        path: What names the video in a file of what to leave out; None: it can't be left out.
    """

    kind: str
    split: str
    video: str
    words: str
    path: str | None = None

"""Lists of each format as data sets come with them; what is of none is refused, by file and line."""

import json
import re
from pathlib import Path

import pytest

from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import Entries, ListError
from videogn.data.lists.formats import read_list
from videogn.data.lists.labels import classes_of, read_classes, resolve


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def read(root: Path, text: str, *, name: str = "l.csv", split: str = "train", columns=None) -> Entries:
    (root / name).write_text(text, encoding="utf-8")
    return read_list(root / name, root=root, split=split, columns=columns)


def pairs(entries: Entries) -> list[tuple[str, str]]:
    return [(entry.name, entry.label) for entry in entries]


def files(entries: Entries, root: Path) -> list[str | None]:
    return [entry.path and Path(entry.path).relative_to(root).as_posix() for entry in entries]


@pytest.mark.parametrize(
    ("text", "expected", "read_as"),
    [
        ("a.mp4 75 0\nb.mp4 60 1\n", [("a.mp4", "0"), ("b.mp4", "1")], "path frames label, space between"),
        ("v/a 75 0\nv/b 60 1\n", [("v/a", "0"), ("v/b", "1")], "path frames label, space between"),
        ("a.mp4,75,0\nb.mp4,60,1\n", [("a.mp4", "0"), ("b.mp4", "1")], "path frames label, comma between"),
        ("a.mp4,0,,\nb.mp4,1,,\n", [("a.mp4", "0"), ("b.mp4", "1")], "path label, comma between"),
        ("a.mp4,0\nb.mp4 1\n", [("a.mp4", "0"), ("b.mp4", "1")], "path label, comma or space between"),
        ("a.mp4,0,train\nb.mp4,1,val\n", [("a.mp4", "0")], "path label split, comma between"),
        ("a.mp4,0,all\n# a,b\n", None, None),
        (
            "# made by a script\na.mp4 run\n#\nb.mp4 walk\n",
            [("a.mp4", "run"), ("b.mp4", "walk")],
            "path label, space between (2 comments)",
        ),
        (
            "# one comment\npath,label\na.mp4,run\n",
            [("a.mp4", "run")],
            "a table, by its columns path and label (1 comments)",
        ),
        ("a.mp4;0\nb.mp4;1\n", [("a.mp4", "0"), ("b.mp4", "1")], "path label, semicolon between"),
        ("v/a;75;0\nv/b;60;1\n", [("v/a", "0"), ("v/b", "1")], "path frames label, semicolon between"),
        ("path label\na.mp4 far run\n", [("a.mp4", "far run")], "path label, space between"),
        ("filename label\na.mp4 0\n", [("a.mp4", "0")], "path label, space between"),
        ('"video_path" "label"\na.mp4 0\n', [("a.mp4", "0")], "path label, space between"),
        ("label path\n0 a.mp4\n", [("a.mp4", "0")], "a table, by its columns path and label"),
        ("id,label\nabc,walk\n", [("abc", "walk")], "a table, by its columns id and label"),
        ("video_id,name,label\nabc,x,walk\n", [("abc", "walk")], "a table, by its columns video_id and label"),
        ("path\tlabel\tnotes\na.mp4\t0\t\n", [("a.mp4", "0")], "a table, by its columns path and label"),
        ("\tpath\tlabel\n0\ta.mp4\t0\n", [("a.mp4", "0")], "a table, by its columns path and label"),
        ("a.mp4 100 meter sprint\nb.mp4 walk\n", [("a.mp4", "100 meter sprint"), ("b.mp4", "walk")], "path label, sp"),
        ("video_path,label\na.mp4,1\n", [("a.mp4", "1")], "a table, by its columns video_path and label"),
        (
            '"Filename","Label"\n"a, b.mp4","x, y"\n',
            [("a, b.mp4", "x, y")],
            "a table, by its columns Filename and Label",
        ),
        ("filename\tlabel\na.mp4\tfar run\n", [("a.mp4", "far run")], "a table, by its columns filename and label"),
        ("name;fps;class\na.mp4;25;x\n", [("a.mp4", "x")], "a table, by its columns name and class"),
        ("label,path\n0,a.mp4\n", [("a.mp4", "0")], "a table, by its columns path and label"),
        ("path,label,split\na.mp4,0,train\nb.mp4,1,test\n", [("a.mp4", "0")], "a table"),
        ("path,label,split\na.mp4,0,x\nb.mp4,1,x\n", [("a.mp4", "0"), ("b.mp4", "1")], "a table"),
        (
            "run/a.mp4,run,3,1\nwalk/b.mp4,walk,4,0\n",
            [("run/a.mp4", "run"), ("walk/b.mp4", "walk")],
            "Moments in Time",
        ),
        (
            '-_aaaaaaaaa,1,"people marching",train\nbbbbbbbbbbb,20,dog barking,test\n',
            [("-_aaaaaaaaa_000001", "people marching")],
            "VGGSound",
        ),
    ],
)
def test_lists_of_text(tmp_path, text, expected, read_as):
    if expected is None:
        with pytest.raises(ListError, match=r"l\.csv:1: 3 fields, of no known kind: got 'a.mp4,0,all'; expected 'path"):
            read(tmp_path, text)
        return
    entries = read(tmp_path, text)
    assert pairs(entries) == expected
    assert entries.read_as.startswith(read_as)
    (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    again = read_list(tmp_path / "bom.csv", root=tmp_path, split="train")
    assert pairs(again) == expected
    assert [e.where.rpartition(":")[2] for e in again] == [e.where.rpartition(":")[2] for e in entries]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a.mp4 1 3 5\nb.mp4 2 9 4\n", r"l.csv:1: 4 fields, of no known kind.*'path start end label'.*parts of videos"),
        ("a.mp4 0\nb.mp4 75 0\n", r"l.csv:2: 3 fields, and line 1 has 2: got 'b.mp4 75 0'"),
        ("a.mp4 75 far run\nb.mp4 60 walk\n", r"l.csv:1: all labels begin with a number: got 'a.mp4 75 far"),
        ("walk,a/b.mp4\nrun,c.mp4\n", r"l.csv:1: the label stands before the path: got 'walk,a/b.mp4'"),
        ("clip7,action\nabc,walk\ndef,run\n", r"l.csv:1: 'clip7,action' names no video: if it is a header"),
        ('path,label\n"a.mp4,0\n' + "b.mp4,1\n" * 20_000, r"l.csv:2: .*does a quote end\?"),
        ("a.mp4 0 12\nb.mp4 3 14\n", r"l.csv:1: 3 fields, of no known kind: got 'a.mp4 0 12'"),
        ("a.mp4,far, far\nb.mp4,run\n", r"l.csv:2: 2 fields, and line 1 has 3: got 'b.mp4,run'; put quotes"),
        ("vid,lbl\na.mp4,0\nb.mp4,1\n", r"l.csv:1: 'vid,lbl' names no video.*--data.list_columns \[vid,lbl\]"),
        ("path,label\na.mp4,0\nb.mp4,1,2\n", r"l.csv:3: 3 fields, and the header names 2: got 'b.mp4,1,2'"),
        ("path,label\na.mp4,\n", r"l.csv:2: no label in"),
        (
            "video,start_time,end_time,label\na.mp4,1,2,0\n",
            r"l.csv: by the columns start_time, end_time the rows are p",
        ),
        ("clips/a run far\n", r"l.csv:1: 'clips/a run far': where does the path end\?"),
        ("a.mp4\n", r"l.csv:1: expected 'path label'"),
        (
            "a.mp4,0,val\nb.mp4,0,test\n",
            r"l.csv: no rows of train: its parts are 'test', 'val'; expected train, training, or a file for each part",
        ),
        ("path,label,split\na.mp4,0,1\nb.mp4,1,2\n", r"l.csv: no rows of train: its parts are '1', '2'"),
        (
            "a.mp4 75 0\nb.mp4 60 1\nc.mp4 0 1\n",
            r"l.csv:3: 3 fields, of no known kind: got 'c.mp4 0 1'; the lines before are of the kind 'path frames l",
        ),
    ],
)
def test_what_is_of_no_known_kind_is_refused(tmp_path, text, says):
    with pytest.raises(ListError, match=says):
        read(tmp_path, text)


def test_parts_of_a_data_set_have_many_names(tmp_path):
    text = "path,label,split\na.mp4,0,Train\nb.mp4,1,{}\n"
    for name, split in (("dev", "val"), ("Evaluation", "val"), ("test", "test"), ("valid", "test")):
        assert pairs(read(tmp_path, text.format(name), split=split)) == [("b.mp4", "1")]
    # Of training and testing alone: what is tested is validated, too, as with UCF101's and HMDB51's lists.
    with pytest.warns(UserWarning, match=r"l\.csv: no part for validation: that for testing is taken, test"):
        assert pairs(read(tmp_path, text.format("test"), split="val")) == [("b.mp4", "1")]
    assert pairs(read(tmp_path, text.format("test") + "c.mp4,0,val\n", split="val")) == [("c.mp4", "0")]


def test_json_lines(tmp_path):
    text = '{"path": "a.mp4", "label": 0}\n{"label": 1, "path": "b.mp4"}\n'
    entries = read(tmp_path, text, name="l.jsonl")
    assert pairs(entries) == [("a.mp4", "0"), ("b.mp4", "1")]
    assert entries[1].where == f"{tmp_path / 'l.jsonl'}:2"
    with pytest.raises(ListError, match=r"l\.jsonl:2: expected an object with file_name and label, got '3'"):
        read(tmp_path, '{"path": "a.mp4", "label": 0}\n3\n', name="l.jsonl")
    with pytest.raises(ListError, match=r"l\.jsonl: no columns of paths and labels that are known among clip, verb"):
        read(tmp_path, '{"clip": "a.mp4", "verb": 0}\n', name="l.jsonl")
    assert pairs(read(tmp_path, '{"clip": "a.mp4", "verb": 0}\n', name="l.jsonl", columns=("clip", "verb")))


@pytest.mark.parametrize("text", ["1 b\n2 a c\n", "2,a c\n1,b\n", "0 b\n1 a c\n", "b\na c\n"])
def test_class_names_may_have_their_numbers(tmp_path, text):
    (tmp_path / "classInd.txt").write_text(text)
    assert read_classes(tmp_path / "classInd.txt") == ["b", "a c"]


@pytest.mark.parametrize("text", ["1 b\n3 a\n", "1 b\na\n", "100 m\n200 m\n"])
def test_numbers_of_class_names_that_do_not_count_are_part_of_them(tmp_path, text):
    (tmp_path / "classes.txt").write_text(text)
    assert read_classes(tmp_path / "classes.txt") == text.split("\n")[:-1]


def test_keys_of_metadata_may_hold_separators(tmp_path):
    touch(tmp_path, "train/a.mp4")
    (tmp_path / "train/metadata.jsonl").write_text('{"place, time": "x", "file_name": "a.mp4", "label": "run"}\n')
    assert pairs(read_list(tmp_path / "train", root=tmp_path, split="train")) == [("a.mp4", "run")]


def test_metadata_of_something_else_does_not_hide_class_folders(tmp_path):
    touch(tmp_path, "train/run/a.mp4", "train/walk/b.mp4")
    (tmp_path / "train/metadata.csv").write_text("camera,place\n1,hall\n")
    with pytest.warns(UserWarning, match=r"metadata\.csv: no columns of paths and labels that are known in 'camera,"):
        entries = read_list(tmp_path / "train", root=tmp_path, split="train")
    assert [entry.label for entry in entries] == ["run", "walk"]


def test_columns_that_the_user_names(tmp_path):
    text = "clip_id,begin,verb,noun\na.mp4,3,cut,tomato\nb.mp4,5,wash,pan\n"
    with pytest.raises(ListError):
        read(tmp_path, text)
    entries = read(tmp_path, text, columns=("clip_id", "verb"))
    assert pairs(entries) == [("a.mp4", "cut"), ("b.mp4", "wash")]
    with pytest.raises(ListError, match="no columns clip and verb in its first line, 'clip_id,begin,verb,noun'"):
        read(tmp_path, text, columns=("clip", "verb"))


def test_latin_1_is_named_with_its_line_in_every_reader(tmp_path):
    for name in ("l.txt", "x_test_split1.txt", "trainlist01.txt", "classes.txt"):
        (tmp_path / name).write_bytes(b"a.mp4 1\ncaf\xe9.mp4 1\n")
        reads = read_classes if name == "classes.txt" else lambda path: read_list(path, root=tmp_path, split="train")
        with pytest.raises(ListError, match=rf"{name}: not a text file in UTF-8 \(byte 0xe9 in line 2\): save it"):
            reads(tmp_path / name)


def test_hmdb51_with_a_byte_order_mark(tmp_path):
    (tmp_path / "wave_test_split1.txt").write_bytes(b"\xef\xbb\xbfa.avi 1\n")
    assert pairs(read_list(tmp_path / "wave_test_split1.txt", root=tmp_path, split="train")) == [("wave/a.avi", "wave")]


@pytest.mark.parametrize("separator", [",", "\t"])
def test_kinetics_in_any_case_with_commas_or_tabs(tmp_path, separator):
    touch(tmp_path, "x/aaaaaaaaaaa_000003_000013.mp4")
    rows = [["Label", "YouTube_ID", "Time_Start", "Time_End", "Split"], ["far run", "aaaaaaaaaaa", "3", "13", "train"]]
    entries = read(tmp_path, "".join(f"{separator.join(row)}\n" for row in rows), name="k.tsv")
    assert pairs(entries) == [("aaaaaaaaaaa_000003_000013", "far run")]
    assert files(entries, tmp_path) == ["x/aaaaaaaaaaa_000003_000013.mp4"]


def test_kinetics_json(tmp_path):
    touch(tmp_path, "x/aaaaaaaaaaa_000003_000013.mp4", "bbbbbbbbbbb.mp4")
    own = {
        "aaaaaaaaaaa": {"annotations": {"label": "run", "segment": [3.0, 13.0]}, "subset": "train", "url": ""},
        "bbbbbbbbbbb": {"annotations": {"label": "walk", "segment": [84.0, 94.0]}, "subset": "validate"},
    }
    entries = read(tmp_path, json.dumps(own), name="k.json")
    assert (pairs(entries), files(entries, tmp_path)) == (
        [("aaaaaaaaaaa", "run")],
        ["x/aaaaaaaaaaa_000003_000013.mp4"],
    )
    of_activitynet = {"database": {name: {**item, "annotations": [item["annotations"]]} for name, item in own.items()}}
    assert pairs(read(tmp_path, json.dumps(of_activitynet), name="a.json", split="val")) == [("bbbbbbbbbbb", "walk")]
    of_activitynet["database"]["bbbbbbbbbbb"]["annotations"] *= 2
    with pytest.raises(ListError, match=r"a.json: Kinetics'.*bbbbbbbbbbb has 2 annotations: parts of videos can't"):
        read(tmp_path, json.dumps(of_activitynet), name="a.json", split="val")


def test_something_something_json(tmp_path):
    touch(tmp_path, "20bn/78687.webm")
    items = [
        {
            "id": "78687",
            "label": "holding potato next to bottle",
            "template": "Holding [something] next to [something]",
        },
        {"id": "42326", "label": "pushing a pen", "template": "Pushing [something] so that it slightly moves"},
    ]
    entries = read(tmp_path, json.dumps(items), name="something-something-v2-train.json")
    assert [entry.label for entry in entries] == [
        "Holding something next to something",
        "Pushing something so that it slightly moves",
    ]
    assert files(entries, tmp_path) == ["20bn/78687.webm", None]
    with pytest.raises(ListError, match=r"s.json: Something-Something's JSON: no 'template' in an entry"):
        read(tmp_path, json.dumps([items[0], {"id": "1"}]), name="s.json")


def test_diving48_json(tmp_path):
    touch(tmp_path, "rgb/TjPCbmWIStg_00009.mp4")
    items = [{"vid_name": "TjPCbmWIStg_00009", "label": 20, "start_frame": 0, "end_frame": 155}]
    entries = read(tmp_path, json.dumps(items), name="Diving48_V2_train.json")
    assert (pairs(entries), files(entries, tmp_path)) == (
        [("TjPCbmWIStg_00009", "20")],
        ["rgb/TjPCbmWIStg_00009.mp4"],
    )
    assert not entries.are_class_names


@pytest.mark.parametrize("text", ["{", "[]", '{"a": 3}', '[{"a": 1}]', "3"])
def test_other_json_is_refused(tmp_path, text):
    with pytest.raises(ListError, match=r"l.json: (no JSON|JSON of no known kind)"):
        read(tmp_path, text, name="l.json")


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_folder_with_metadata(tmp_path, name):
    touch(tmp_path, "train/clips/a.mp4", "train/b.mp4")
    rows = [("clips/a.mp4", "run"), ("b.mp4", "walk")]
    if name.endswith(".csv"):
        text = "file_name,label\n" + "".join(f"{file},{label}\n" for file, label in rows)
    else:
        text = "".join(json.dumps({"file_name": file, "label": label}) + "\n" for file, label in rows)
    (tmp_path / "train" / name).write_text(text)
    entries = read_list(tmp_path / "train", root=tmp_path, split="train")
    assert (pairs(entries), files(entries, tmp_path)) == (rows, ["train/clips/a.mp4", "train/b.mp4"])
    (tmp_path / "train" / name).write_text(text.replace("label", "labels_of_it"))
    with pytest.raises(ListError, match=name):
        read_list(tmp_path / "train", root=tmp_path, split="train")


def test_names_without_suffix(tmp_path):
    touch(tmp_path, "v/a.b.mp4", "v/c.avi", "deep/down/d.webm")
    entries = read(tmp_path, "v/a.b 0\nv/c 1\nv/gone 1\n")
    assert [entry.name for entry in entries] == ["v/a.b", "v/c", "v/gone"]
    assert files(entries, tmp_path) == ["v/a.b.mp4", "v/c.avi", "v/gone"]
    assert entries.read_as == "path label, space between, names without suffix"
    bare = read(tmp_path, "d 0\nc 1\n")
    assert files(bare, tmp_path) == ["deep/down/d.webm", "v/c.avi"]
    touch(tmp_path, "v/c.jpg", "v/c/1.jpg")  # its thumbnail, its frames
    assert files(read(tmp_path, "v/a.b 0\nv/c 1\n"), tmp_path) == ["v/a.b.mp4", "v/c.avi"]
    touch(tmp_path, "v/c.mkv")
    with pytest.raises(ListError, match=r"l.csv:2: 'v/c' may be v/c.* or v/c.*: give it a suffix"):
        read(tmp_path, "v/a.b 0\nv/c 1\n")


# Labels


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (["0", "1", "run"], r"l.csv:3: label 'run' is a name, and '0' \(.*l.csv:1\) an index"),
        (["0", "nan", "1"], r"l.csv:2: label 'nan' is a number and no class index"),
        (["0", "-1"], r"l.csv:2: label '-1' is a number"),
        (["run", "nan", "walk"], r"l.csv:2: label 'nan' is a number"),
        (["1.0", "2.0"], r"l.csv:1: label '1.0' is a number"),
        (["0", "1000000"], r"l.csv:2: class index 1000000 in a list of 2 videos"),
        (["99999999999", "0"], r"l.csv:1: class index 99999999999 in a list of 2 videos"),
        (["0", "0"], r"l.csv:1: this and all others \(2\) are of one class, index 0"),
        (["run", "run"], r"l.csv:1: this and all others \(2\) are of one class, 'run'"),
    ],
)
def test_labels_that_mean_nothing_are_refused(tmp_path, labels, says):
    entries = read(tmp_path, "".join(f"{place}.mp4,{label}\n" for place, label in enumerate(labels)))
    with pytest.raises(ListError, match=says):
        classes_of(entries)


@pytest.mark.parametrize("content", ['{"walk": 1, "run": 0}', '"abc"', '[["a"]]', "[1, 2]", "["])
def test_a_json_of_classes_is_a_list_of_names(tmp_path, content):
    (tmp_path / "classes.json").write_text(content)
    with pytest.raises(ListError, match=r"classes.json: (expected a list of class names|no JSON)"):
        read_classes(tmp_path / "classes.json")


def test_a_name_may_begin_with_a_bracket(tmp_path):
    assert pairs(read(tmp_path, "[Group] Show 01.mkv 0\n")) == [("[Group] Show 01.mkv", "0")]


def test_a_file_of_class_names_allows_any(tmp_path):
    entries = read(tmp_path, "a.mp4,360\nb.mp4,nan\nc.mp4,0\n")
    assert [record.label for record in resolve(entries, ["nan", "360", "x"])] == [1, 0, 0]


def catalog(root: Path, train: str, val: str) -> Catalog:
    touch(root, *(f"{name}.mp4" for name in "abcdef"))
    (root / "train.csv").write_text(train)
    (root / "val.csv").write_text(val)
    return Catalog(str(root), lists={"train": None, "val": None, "test": None}, classes=None)


def test_what_a_training_should_know_of_its_videos(tmp_path):
    found = catalog(tmp_path, "a.mp4 1\nb.mp4 3\n", "c.mp4 1\nd.mp4 2\na.mp4 1\n").doubts()
    assert found[0].endswith("train.csv: no training video of 2 of 4 classes ('0', '2')")
    assert found[1].endswith("val.csv: validation videos of 1 of 4 classes ('2'), which no training video shows")
    assert found[2].startswith("1 of 3 validation videos are training videos, too (the first is 'a.mp4')")
    assert len(found) == 3


def test_labels_from_1(tmp_path):
    [found] = catalog(tmp_path, "a.mp4 1\nb.mp4 2\n", "c.mp4 1\nd.mp4 2\n").doubts()
    assert found.endswith("no training video of 1 of 3 classes ('0'): do its labels begin with 1?")


def test_a_validation_much_smaller_than_the_classes(tmp_path):
    train = "".join(f"{name}.mp4 {label}\n" for label, name in enumerate("abcde"))
    [found] = catalog(tmp_path, train, "f.mp4 1\n").doubts()
    assert found.endswith("val.csv: 1 validation videos for 5 classes: their accuracy says little")


def test_an_ordinary_data_set_raises_no_doubts(tmp_path):
    assert catalog(tmp_path, "a.mp4 0\nb.mp4 1\n", "c.mp4 0\n").doubts() == []


# Names


@pytest.mark.parametrize(("listed", "on_disk"), [("caf\u00e9", "cafe\u0301"), ("cafe\u0301", "caf\u00e9")])
def test_other_forms_of_unicode_are_found(tmp_path, listed, on_disk):
    touch(tmp_path, f"{on_disk}/{on_disk}.mp4")
    found = catalog(tmp_path, f"{listed}/{listed}.mp4 0\nb.mp4 1\n", "c.mp4 0\n")
    assert [Path(record.path).name for record in found.present("train")] == [f"{on_disk}.mp4", "b.mp4"]
    assert found.present("train")[0].name == f"{listed}/{listed}.mp4"


def test_backslashes_are_slashes_where_such_a_file_is_there(tmp_path):
    touch(tmp_path, "x/y.mp4")
    found = catalog(tmp_path, "x\\y.mp4 0\nb.mp4 1\n", "c.mp4 0\n")
    assert [Path(record.path).relative_to(tmp_path).as_posix() for record in found.present("train")] == [
        "x/y.mp4",
        "b.mp4",
    ]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("~/a.mp4", "~ and $ are not expanded in a list"),
        ("$HOME/a.mp4", "~ and $ are not expanded"),
        ("x\\z.mp4", "it has backslashes"),
        ("a\u2028.mp4", "it has a character that ends lines elsewhere"),
    ],
)
def test_why_a_file_is_missing_is_named(tmp_path, name, reason, capsys):
    assert len(catalog(tmp_path, f"{name} 0\nb.mp4 1\n", "c.mp4 0\n").present("train")) == 1
    assert f"1 of 2 videos are missing on disk (the first is {name!r}: {reason}" in capsys.readouterr().err
    with pytest.raises(
        ListError, match=rf"none of its 1 videos lies below .*{re.escape(reason[:20])}.*\): is data.root right"
    ):
        catalog(tmp_path, "a.mp4 0\nb.mp4 1\n", f"{name} 0\n").records("val")


# Folders


def test_hidden_files_and_those_of_systems_are_left_out_and_counted(tmp_path):
    touch(tmp_path, "train/run/a.mp4", "train/walk/b.mp4", "train/loose.mp4")
    touch(tmp_path, "train/run/._a.mp4", "train/run/.DS_Store", "train/run/.ipynb_checkpoints/a.mp4")
    touch(tmp_path, "train/run/@eaDir/a.mp4", "train/__MACOSX/run/a.mp4", "train/.hidden/x.mp4", "train/walk/Thumbs.db")
    touch(tmp_path, "train/walk/c.xyz", "train/walk/d.xyz", "train/walk/README", "train/walk/late.MTS")
    with pytest.warns(UserWarning, match="left out") as said:
        entries = read_list(tmp_path / "train", root=tmp_path, split="train")
    assert pairs(entries) == [("run/a.mp4", "run"), ("walk/b.mp4", "walk"), ("walk/late.MTS", "walk")]
    messages = [str(each.message) for each in said]
    assert messages == [
        f"{tmp_path}/train: left out: 7 hidden files, 1 x no suffix, 2 x .xyz",
        f"{tmp_path}/train: left out: 1 beside the class folders, of no class (the first is 'loose.mp4')",
    ]
    (tmp_path / "k.csv").write_text("label,youtube_id,time_start,time_end,split\nx,._a,0,10,train\nx,a,0,10,train\n")
    found = read_list(tmp_path / "k.csv", root=tmp_path, split="train")
    assert files(found, tmp_path) == [None, "train/run/a.mp4"]

"""Lists as people have them, and what is wrong with the others."""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from videogn.data.lists.entries import ListError
from videogn.data.lists.formats import default_list, read_list
from videogn.data.lists.kinetics import find_videos
from videogn.data.lists.labels import classes_of, read_classes, resolve
from videogn.data.lists.lines import Lines, path_label


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("line", "name", "label"),
    [
        ("a/b.mp4 3", "a/b.mp4", "3"),
        ("a/b.mp4\tarm wrestling", "a/b.mp4", "arm wrestling"),
        ("a/b c.mp4,arm wrestling", "a/b c.mp4", "arm wrestling"),
        ("a,b.mp4 3", "a,b.mp4", "3"),
        ("a b.mp4 3", "a b.mp4", "3"),
        ("ü & co.mp4, 3", "ü & co.mp4", "3"),
        ("/else/where.mp4 3", "/else/where.mp4", "3"),
        ("a/b.mp4 arm wrestling", "a/b.mp4", "arm wrestling"),
        ("a.mp4,St. Bernard walk", "a.mp4", "St. Bernard walk"),
        ("a.mp4 lift up, then drop", "a.mp4", "lift up, then drop"),
        ('a.mp4,"lift up, then drop"', "a.mp4", "lift up, then drop"),
        ('"a ""b"", c.mp4" "run"', 'a "b", c.mp4', "run"),
        ("a.mp4,3,,", "a.mp4", "3"),
        ("a\u2028b\x85.mp4 3", "a\u2028b\x85.mp4", "3"),
        ("#1/a.mp4 3", "#1/a.mp4", "3"),
        ('"a, b.mp4",3', "a, b.mp4", "3"),
        ("clips/no_suffix 3", "clips/no_suffix", "3"),
        ("a.mp4 b.MKV , arm wrestling", "a.mp4 b.MKV", "arm wrestling"),
    ],
)
def test_lines_of_path_and_label(tmp_path, line, name, label):
    listing = write(tmp_path / "l.txt", f"\n{line}\r\n")
    (entry,) = read_list(listing, root=tmp_path, split="train", allow_outside=True)
    assert (entry.name, entry.label) == (name, label)
    assert entry.path == str(tmp_path / name)
    assert entry.where == f"{tmp_path}/l.txt:2"


PATHS = st.lists(st.sampled_from(["a", "é/", "b c/", " ", ",", "3", '"', "#", "x.y"]), min_size=1, max_size=6)
WORDS = st.lists(st.sampled_from(["run", "St. ", "lift, ", "3", " far", '"', "é"]), min_size=1, max_size=4)


@given(
    st.lists(st.tuples(PATHS.map("".join), WORDS.map("".join)), min_size=1, max_size=5),
    st.sampled_from(",\t"),
    st.booleans(),
    st.sampled_from(["\n", "\r\n", "\n# a comment\n\n"]),
)
def test_what_a_csv_writer_writes_comes_back(rows, separator, frames, newline):
    """Python's own writer is the oracle: paths and labels with separators and quotes in them."""
    rows = [(f"p{path.strip()}q.mp4", f"l{label.strip()}") for path, label in rows]
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=separator, lineterminator=newline)
    for path, label in rows:
        writer.writerow([path, 75, 1] if frames else [path, label])
    # A quote within a field that needs no quotes would be read as it stands: the writer quotes it.
    entries = path_label(Lines.of(buffer.getvalue(), file=Path("l.txt")), root=Path("root"), split="train")
    assert [entry.name for entry in entries] == [path for path, _ in rows]
    assert [entry.label for entry in entries] == ["1" if frames else label for _, label in rows]
    assert entries.read_as.startswith("path frames label" if frames else "path label")


def test_a_line_that_cannot_be_parsed_is_named(tmp_path):
    listing = write(tmp_path / "l.txt", "a.mp4 0\nb.mp4\n")
    with pytest.raises(ListError, match=r"l\.txt:2: expected 'path label'.*got 'b\.mp4'"):
        read_list(listing, root=tmp_path, split="train")


def test_a_binary_or_missing_or_empty_list_is_refused(tmp_path):
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(ListError, match=r"b.txt: not a text file in UTF-8 \(byte 0xff in line 1\): save it as UTF-8"):
        read_list(tmp_path / "b.txt", root=tmp_path, split="train")
    with pytest.raises(ListError, match="no such list"):
        read_list(tmp_path / "none.txt", root=tmp_path, split="train")
    with pytest.raises(ListError, match="names no video"):
        read_list(write(tmp_path / "e.txt", "\n\n"), root=tmp_path, split="train")


def test_a_header_is_no_video(tmp_path):
    entries = read_list(write(tmp_path / "l.csv", "path,label\na.mp4,0\n"), root=tmp_path, split="train")
    assert [e.name for e in entries] == ["a.mp4"]


def test_class_folders_named_by_numbers_are_names(tmp_path):
    for name in ("1", "2", "10"):
        touch(tmp_path / "train" / name / "a.mp4")
    entries = read_list(tmp_path / "train", root=tmp_path, split="train")
    assert classes_of(entries) == ["1", "10", "2"]
    assert [record.label for record in resolve(entries, classes_of(entries))] == [0, 1, 2]


def test_links_that_lead_back_end(tmp_path):
    touch(tmp_path / "a" / "x.mp4")
    (tmp_path / "a" / "back").symlink_to(tmp_path)
    assert find_videos(tmp_path, {".mp4"}) == {"x": str(tmp_path / "a" / "x.mp4")}


def test_class_folders(tmp_path):
    for name in ("run/b.mp4", "run/a.avi", "jump/deep/c.webm"):
        touch(tmp_path / "train" / name)
    entries = read_list(tmp_path / "train", root=tmp_path, split="train")
    assert [(e.name, e.label) for e in entries] == [
        ("jump/deep/c.webm", "jump"),
        ("run/a.avi", "run"),
        ("run/b.mp4", "run"),
    ]
    assert classes_of(entries) == ["jump", "run"]


def test_kinetics_as_people_have_it(tmp_path):
    videos = tmp_path / "videos"
    touch(videos / "arm wrestling" / "aaaaaaaaaaa_000003_000013.mp4")  # padded, in a class folder
    touch(videos / "bbbbbbbbbbb_7_17.mkv")  # not padded, flat, another extension
    touch(videos / "abseiling" / "-_ccccccccc.webm")  # the id alone
    touch(videos / "val" / "ddddddddddd_000000_000010.mp4")  # corrupt: replaced below
    touch(videos / "replacement_for_corrupted" / "ddddddddddd_000000_000010.mp4")
    csv = write(
        tmp_path / "validate.csv",
        "label,youtube_id,time_start,time_end,split\n"
        "arm wrestling,aaaaaaaaaaa,3,13,validate\n"
        "abseiling,bbbbbbbbbbb,7,17,validate\n"
        "abseiling,-_ccccccccc,20,30,validate\n"
        '"playing, well",ddddddddddd,0,10,validate\n'
        "abseiling,eeeeeeeeeee,1,11,validate\n",
    )
    entries = read_list(csv, root=videos, split="val")
    found = [Path(e.path).relative_to(videos).as_posix() if e.path else None for e in entries]
    assert found == [
        "arm wrestling/aaaaaaaaaaa_000003_000013.mp4",
        "bbbbbbbbbbb_7_17.mkv",
        "abseiling/-_ccccccccc.webm",
        "replacement_for_corrupted/ddddddddddd_000000_000010.mp4",
        None,
    ]
    assert [e.label for e in entries] == ["arm wrestling", "abseiling", "abseiling", "playing, well", "abseiling"]
    assert entries[4].name == "eeeeeeeeeee_000001_000011"


def test_kinetics_rows_of_other_splits_are_left_out(tmp_path):
    csv = write(
        tmp_path / "all.csv",
        "label,youtube_id,time_start,time_end,split\nx,aaaaaaaaaaa,0,10,train\nx,bbbbbbbbbbb,0,10,validate\n",
    )
    assert [e.name[:3] for e in read_list(csv, root=tmp_path, split="train")] == ["aaa"]
    assert [e.name[:3] for e in read_list(csv, root=tmp_path, split="val")] == ["bbb"]
    assert [e.name[:3] for e in read_list(csv, root=tmp_path, split="test")] == ["bbb"]


def test_a_quoted_kinetics_header_is_one(tmp_path):
    text = '"label", "youtube_id", "time_start", "time_end", "split"\n"x", "aaaaaaaaaaa", 0, 10, "train"\n'
    (entry,) = read_list(write(tmp_path / "k.csv", text), root=tmp_path, split="val")
    assert (entry.label, entry.name) == ("x", "aaaaaaaaaaa_000000_000010")


BROKEN_ROWS = ["x,a,soon,10", ",a,0,10", "x,,0,10", "x,a,0,inf", "x,a", "x,,0,10,more,still more"]


@pytest.mark.parametrize("row", BROKEN_ROWS)
def test_a_broken_kinetics_row_is_named(tmp_path, row):
    header = "split,label,youtube_id,time_start,time_end"
    listing = write(tmp_path / "k.csv", f"{header}\ntrain,x,ok,0,10\ntrain,{row}\n")
    fields = re.escape(str(next(csv.DictReader([header, f"train,{row}"]))))
    with pytest.raises(ListError, match=rf"k\.csv:3: .*, got {fields}$"):
        read_list(listing, root=tmp_path, split="train")


def test_kinetics_columns_in_any_order_blank_rows_and_rows_of_another_length(tmp_path):
    text = "youtube_id,time_end,split,time_start,label\n\na,10,train,0,x\n\nb,11.9,train,1,y,more\n"
    entries = read_list(write(tmp_path / "k.csv", text), root=tmp_path, split="train")
    assert [(e.name, e.label, e.where.rpartition(":")[2]) for e in entries] == [
        ("a_000000_000010", "x", "3"),
        ("b_000001_000011", "y", "5"),
    ]
    text = "label,youtube_id,time_start,time_end\nx,a,0,10\n\nx,b,0,10,test\n"  # of no split: all are wanted
    assert [e.name[0] for e in read_list(write(tmp_path / "k.csv", text), root=tmp_path, split="val")] == ["a", "b"]
    text = "label,youtube_id,time_start,time_end,split\nx,a,0,10,train\nx,b,0,10\n"  # one of no split is one of several
    assert [e.name[0] for e in read_list(write(tmp_path / "k.csv", text), root=tmp_path, split="train")] == ["a"]


def test_mended_copies_win_wherever_they_lie(tmp_path):
    touch(tmp_path / "a" / "x.mp4")
    touch(tmp_path / "b" / "x.mp4")
    assert find_videos(tmp_path, {".mp4"}) == {"x": str(tmp_path / "a" / "x.mp4")}
    touch(tmp_path / "replacement_for_corrupted" / "x.mp4")
    assert find_videos(tmp_path, {".mp4"}) == {"x": str(tmp_path / "replacement_for_corrupted" / "x.mp4")}


def test_ucf101_split_files(tmp_path):
    write(tmp_path / "classInd.txt", "1 ApplyEyeMakeup\n2 Archery\n")
    train = write(tmp_path / "trainlist01.txt", "ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1\nArchery/v_x.avi 2\n")
    test = write(tmp_path / "testlist01.txt", "Archery/v_Archery_g01_c01.avi\n")
    entries = read_list(train, root=tmp_path, split="train")
    assert [r.label for r in resolve(entries, classes_of(entries))] == [0, 1]
    assert [(e.name, e.label) for e in read_list(test, root=tmp_path, split="val")] == [
        ("Archery/v_Archery_g01_c01.avi", "Archery")
    ]


UCF_NAMES = [
    "A/b.avi",
    "x/A/b.avi",
    "A//b.avi",
    "A/./b.avi",
    "A/../b.avi",
    "A/b/",
    "A/b/.",
    "A/..",
    "A\\b/c.avi",
    "/A/b.avi",
]


@pytest.mark.parametrize("name", UCF_NAMES)
def test_the_class_of_ucf101_is_the_folder_of_any_path(tmp_path, name):
    write(tmp_path / "classInd.txt", "1 A\n")
    listing = write(tmp_path / "trainlist01.txt", f"{name} 1\n")
    (entry,) = read_list(listing, root=tmp_path, split="train", allow_outside=True)
    assert (entry.name, entry.label, entry.path) == (name, Path(name).parent.name, str(tmp_path / name))


@pytest.mark.parametrize("name", ["b.avi", "/b.avi", "./b.avi", "A/"])
def test_a_line_of_ucf101_without_a_folder_is_named(tmp_path, name):
    write(tmp_path / "classInd.txt", "1 A\n")
    with pytest.raises(ListError, match=r"trainlist01\.txt:2: expected 'Class/video.avi'"):
        read_list(write(tmp_path / "trainlist01.txt", f"A/b.avi 1\n{name} 1\n"), root=tmp_path, split="train")


def test_hmdb51_split_files(tmp_path):
    for name in ("brush_hair", "wave"):
        write(tmp_path / f"{name}_test_split1.txt", f"{name}_a.avi 1 \n{name}_b.avi 2 \n{name}_c.avi 0 \n")
    pattern = f"{tmp_path}/*_test_split1.txt"
    train = read_list(pattern, root=tmp_path, split="train")
    assert [(e.name, e.label) for e in train] == [
        ("brush_hair/brush_hair_a.avi", "brush_hair"),
        ("wave/wave_a.avi", "wave"),
    ]
    assert [e.name for e in read_list(pattern, root=tmp_path, split="val")] == [
        "brush_hair/brush_hair_b.avi",
        "wave/wave_b.avi",
    ]
    alone = read_list(tmp_path / "wave_test_split1.txt", root=tmp_path, split="train")
    assert [(e.name, e.label) for e in alone] == [("wave/wave_a.avi", "wave")]
    write(tmp_path / "x_test_split1.txt", "a.avi 7\n")
    with pytest.raises(ListError, match=r"x_test_split1\.txt:1"):
        read_list(pattern, root=tmp_path, split="val")


def test_labels_out_of_range_are_named_with_what_was_expected(tmp_path):
    entries = read_list(write(tmp_path / "l.txt", "a.mp4 0\nb.mp4 5\n"), root=tmp_path, split="train")
    with pytest.raises(ListError, match=r"l\.txt:2: label '5' is out of range: expected an index from 0 to 2"):
        resolve(entries, ["x", "y", "z"])
    with pytest.raises(ListError, match="'swim'"):
        resolve(read_list(write(tmp_path / "m.txt", "a.mp4 swim\n"), root=tmp_path, split="val"), ["run"])
    touch(tmp_path / "val" / "0" / "a.mp4")  # the name of a folder is no index
    with pytest.raises(ListError, match="label '0' is out of range"):
        resolve(read_list(tmp_path / "val", root=tmp_path, split="val"), ["run"])


def test_classes_from_labels_and_from_a_file(tmp_path):
    entries = read_list(write(tmp_path / "l.txt", "a.mp4 0\nb.mp4 10\nc.mp4 2\n"), root=tmp_path, split="train")
    assert classes_of(entries) == [str(k) for k in range(11)]
    assert read_classes(write(tmp_path / "c.txt", "run\n\njump far\n")) == ["run", "jump far"]
    with pytest.raises(ListError, match="'run' is named twice"):
        read_classes(write(tmp_path / "c.txt", "run\nrun\n"))
    assert read_classes(write(tmp_path / "b.txt", "\ufeffrun\njump\n")) == ["run", "jump"]
    with pytest.raises(ListError, match="no such file"):
        read_classes(tmp_path / "none.txt")


def test_default_lists(tmp_path):
    assert default_list(tmp_path, "train") is None
    (tmp_path / "train").mkdir()
    assert default_list(tmp_path, "train") == tmp_path / "train"
    assert default_list(tmp_path, "val") is None
    listing = write(tmp_path / "train.csv", "")
    assert default_list(tmp_path, "train") == listing

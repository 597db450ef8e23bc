"""Lists with several labels a video: what each form says, what is refused, and the rows of 0 and 1 that come of it."""

import pickle
from pathlib import Path

import numpy as np
import pytest

from tests.videos import write_video
from videogn.data.datamodule import KineticsDataModule
from videogn.data.dataset import TestDataset
from videogn.data.lists.catalog import Catalog
from videogn.data.lists.entries import Entries, ListError
from videogn.data.lists.formats import read_list
from videogn.data.lists.labels import classes_of, read_classes, resolve
from videogn.data.lists.records import CHUNK, NO_CLASS, Records
from videogn.data.views.protocols import PROTOCOLS
from videogn.data.views.testing import TestViews
from videogn.tools.split.lists import split

CHARADES = "id,subject,scene,quality,relevance,verified,script,objects,descriptions,actions,length\n"


def read(root: Path, text: str, *, name: str = "l.csv", several: bool = True, columns=None) -> Entries:
    (root / name).write_text(text, encoding="utf-8")
    return read_list(root / name, root=root, split="train", columns=columns, several=several)


def sets(entries: Entries) -> list[tuple[str, set[str]]]:
    found = [(name, set()) for name in entries.names]
    for place, label in entries.each_label():
        found[place][1].add(label)
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.mp4 3 7 12\nb.mp4 7\n", [{"3", "7", "12"}, {"7"}]),
        ("a.mp4 3;7;12\nb.mp4 7;\n", [{"3", "7", "12"}, {"7"}]),
        ("a.mp4,run,walk\nb.mp4,run\n", [{"run", "walk"}, {"run"}]),
        ("a.mp4\trun\twalk\nb.mp4\trun\n", [{"run", "walk"}, {"run"}]),
        ("a.mp4 run walk run\n# one\nb.mp4 run\n", [{"run", "walk"}, {"run"}]),
        ("a.mp4 far run;walk\nb.mp4 far run\n", [{"far run", "walk"}, {"far run"}]),
        ('a.mp4,"far run","walk"\nb.mp4,walk\n', [{"far run", "walk"}, {"walk"}]),
        ('"a, x.mp4" run;walk\nb.mp4 run\n', [{"run", "walk"}, {"run"}]),
        ("v/a run;walk\nv/b walk\n", [{"run", "walk"}, {"walk"}]),
        ("path,labels\na.mp4,3;7\nb.mp4,\n", [{"3", "7"}, set()]),
        ('path,labels\na.mp4,"run, far away"\nb.mp4,run\n', [{"run", "far away"}, {"run"}]),
        ("path,label\na.mp4,3 7\nb.mp4,7\n", [{"3", "7"}, {"7"}]),
        ("path,label\na.mp4,far run\nb.mp4,walk\n", [{"far run"}, {"walk"}]),
        ("path\tlabel\tsplit\na.mp4\t3;7\ttrain\nb.mp4\t7\tval\n", [{"3", "7"}]),
        ("path label\na.mp4 run walk\nb.mp4 walk\n", [{"run", "walk"}, {"walk"}]),
        (CHARADES + "46GP8,x,Kitchen,6,7,Yes,a,b,c,c092 11.90 21.20;c147 0.00 12.60;c092 0.00 1.00,24.83\n"
         'N11GT,x,Hall,6,7,Yes,"a, b",b,c,,18.33\n', [{"c092", "c147"}, set()]),
    ],
)  # fmt: skip
def test_each_form_says_which_labels_a_video_has(tmp_path, text, expected):
    assert [labels for _, labels in sets(read(tmp_path, text))] == expected


def test_json_lines_have_lists_of_labels(tmp_path):
    text = '{"path": "a.mp4", "labels": ["far run", "walk"]}\n{"path": "b.mp4", "labels": []}\n'
    assert sets(read(tmp_path, text, name="l.jsonl")) == [("a.mp4", {"far run", "walk"}), ("b.mp4", set())]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a.mp4 run\nb.mp4\n", r"l\.csv:2: expected 'path label label \.\.\.', got 'b\.mp4'"),
        ("run a.mp4\nwalk b.mp4\n", "the label stands before the path"),
        ("clip_file,what\na.mp4,run;walk\nb.mp4,run\n", "names no video: if it is a header, say which columns"),
        ("path,labels\na.mp4,\nb.mp4,\n", "neither this video nor any other"),
        ("a.mp4 3;walk\nb.mp4 3\n", r"label 'walk' is a name, and '3' .* an index"),
        ("a.mp4 3;-1\nb.mp4 3\n", r"label '-1' is a number and no class index"),
        ("a.mp4 0;99999\nb.mp4 0\n", "class index 99999 in a list of 2 videos"),
        ("a.mp4 run;run\nb.mp4 run\n", "are of one class, 'run'"),
        (CHARADES + "46GP8,x,Kitchen,6,7,Yes,a,b,c,092 11.90,24.83\n", "expected an id, and actions such as"),
        ("label,youtube_id,time_start,time_end,split\nrun,abc,1,2,train\n", r"\(Kinetics CSV\) has one label"),
    ],
)
def test_what_says_no_labels_is_refused(tmp_path, text, error):
    with pytest.raises(ListError, match=error):
        classes_of(read(tmp_path, text))


def test_several_labels_are_asked_for(tmp_path):
    row = "46GP8,x,Kitchen,6,7,Yes,a,b,c,c092 11.90 21.20,24.83\n"
    with pytest.raises(ListError, match=r"\(Charades CSV\) has several labels: data\.multi_label true"):
        read(tmp_path, CHARADES + row, several=False)
    (tmp_path / "train" / "run").mkdir(parents=True)
    with pytest.raises(ListError, match=r"\(folder of class folders\) has one label, and data\.multi_label is on"):
        read_list(tmp_path / "train", root=tmp_path, split="train", several=True)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.mp4").touch()
    for part in ("train", "val"):
        (tmp_path / f"{part}.csv").write_text("a.mp4 run;walk\nb.mp4 jump;run\nc.mp4 run\n")
    for text in (
        "a.mp4 3;1\nb.mp4 0\n",
        "a.mp4 3 1 2\nb.mp4 0\n",
        "a.mp4 3 1 2\nb.mp4 0 1 2\n",
        "path,label\na.mp4,\n",
    ):
        with pytest.raises(ListError, match=r"--data\.multi_label true"):
            classes_of(read(tmp_path, text, several=False))
    (tmp_path / "joined").write_text((tmp_path / "train.csv").read_text())
    with pytest.raises(ListError, match=r"classes such as 'jump;run' look like several labels"):
        split(tmp_path / "joined", root=tmp_path, out=tmp_path / "out")
    catalog = Catalog(str(tmp_path), lists=dict.fromkeys(("train", "val", "test")), classes=None)
    assert any("look like several labels of a video: --data.multi_label true" in doubt for doubt in catalog.doubts())


def test_charades_classes_are_known_by_their_codes(tmp_path):
    names = [f"c{code:03d} Doing thing {code}" for code in range(157)]
    (tmp_path / "classes.txt").write_text("\n".join(names) + "\n")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "46GP8.mp4").touch()
    row = "46GP8,x,Kitchen,6,7,Yes,a,b,c,c147 0.00 12.60;c092 11.90 21.20,24.83\n"
    records = resolve(read(tmp_path, CHARADES + row), read_classes(tmp_path / "classes.txt"))
    assert (records[0].labels, records[0].label) == ((92, 147), NO_CLASS)
    assert records[0].path == str(tmp_path / "in" / "46GP8.mp4")
    with pytest.raises(ListError, match="label 'c157' is out of range"):
        resolve(read(tmp_path, CHARADES + row.replace("c147", "c157")), names)


def test_records_keep_each_set_through_parts_and_processes():
    rng = np.random.default_rng(0)
    plain = [tuple(sorted(set(rng.integers(0, 9, rng.integers(0, 5)).tolist()))) for _ in range(2 * CHUNK + 5)]
    records = Records([f"{place}.mp4" for place in range(len(plain))], sets=[reversed(own) for own in plain])
    assert [record.labels for record in records] == plain
    assert [record.labels for record in pickle.loads(pickle.dumps(records))[7:900:3]] == plain[7:900:3]
    wanted = rng.random(len(plain)) < 0.5
    kept = [own for own, is_wanted in zip(plain, wanted, strict=True) if is_wanted]
    expected = [sum(label in own for own in kept) for label in range(12)]
    assert records.select(wanted).counts(12).tolist() == expected
    one = Records(["a", "b", "c"], labels=[2, 0, 2])
    assert (one.counts(4).tolist(), one[0].labels) == ([1, 0, 2, 0], ())


def test_a_batch_has_a_row_of_0_and_1_for_each_video(tmp_path):
    for name in ("a.mp4", "b.mp4", "c.mp4"):
        write_video(tmp_path / name, num_frames=12)
    for part, text in (("train", "a.mp4,0;2\nb.mp4,\nc.mp4,1"), ("val", "b.mp4,2;1\na.mp4,0")):
        (tmp_path / f"{part}.csv").write_text(f"path,labels\n{text}\n")
    size = {"num_frames": 4, "crop_size": 32, "scale_size": 40, "test_scale_size": 40, "test_crop_size": 32}
    data = KineticsDataModule(str(tmp_path), multi_label=True, batch_size=3, num_workers=0, **size)
    (batch,) = data.train_dataloader()
    expected = {0: [1, 0, 1], 1: [0, 0, 0], 2: [0, 1, 0]}
    assert batch["labels"].tolist() == [expected[index] for index in batch["indices"].tolist()]
    assert batch["labels"].dtype.is_floating_point
    assert [seen["labels"].tolist() for seen in data.val_dataloader()] == [[[0, 1, 1], [1, 0, 0]]]
    assert next(iter(data.predict_dataloader(Records([str(tmp_path / "a.mp4")], labels=[0]))))["labels"].tolist() == [0]
    gone = Records(["a", "gone"], sets=[[1], [0]], folder=str(tmp_path), files=["a.mp4", None])
    views = TestViews(4, 2, 40, 32, PROTOCOLS["1x1"], "nonlocal")
    found = TestDataset(gone, views=views, multi_hot=2).__getitems__([(0, 1), (0, 0)])
    assert (found["labels"].tolist(), found["indices"].tolist()) == ([[0, 1]], [0])
    before = data.catalog.fingerprint("train")
    (tmp_path / "train.csv").write_text("path,labels\na.mp4,2;0\nb.mp4,\nc.mp4,1\n")  # the same sets
    assert KineticsDataModule(str(tmp_path), multi_label=True).catalog.fingerprint("train") == before
    (tmp_path / "train.csv").write_text("path,labels\na.mp4,2\nb.mp4,0\nc.mp4,1\n")
    assert KineticsDataModule(str(tmp_path), multi_label=True).catalog.fingerprint("train") != before


def test_what_goes_by_one_class_a_video_is_refused():
    with pytest.raises(ValueError, match="balanced_sampling goes by the one class of each video"):
        KineticsDataModule(multi_label=True, balanced_sampling=True)


def made_list(root: Path, number: int, names: list[str]) -> dict[str, set[str]]:
    """A list of empty files, two a group, with labels of chance; what each is of."""
    rng = np.random.default_rng(0)
    sets = {f"v/{place:03d}.mp4": {name for name in names if rng.random() < 0.3} for place in range(number)}
    (root / "v").mkdir()
    lines = ["path,labels,group"]
    for place, (name, labels) in enumerate(sets.items()):
        (root / name).write_bytes(bytes([place]))
        lines.append(f'{name},"{";".join(sorted(labels))}",g{place // 2}')
    (root / "all").write_text("\n".join(lines) + "\n")
    return sets


def test_lists_are_split_by_each_label(tmp_path):
    sets = made_list(tmp_path, 200, ["far run", "jump", "walk, slowly"])
    summary = split(tmp_path / "all", root=tmp_path, shares=(0.6, 0.2, 0.2), multi_label=True, groups=r"v/(...)")
    assert (summary.num_classes, summary.num_videos) == (3, 200)
    lists = dict.fromkeys(("train", "val", "test")) | {"test": "test.csv"}
    catalog = Catalog(str(tmp_path), lists=lists, classes=None, multi_label=True)
    back = {
        part: {record.name: {catalog.classes[label] for label in record.labels} for record in catalog.records(part)}
        for part in lists
    }
    assert {name: labels for part in back.values() for name, labels in part.items()} == sets
    for label in [*catalog.classes, None]:  # and of those without any
        of_all = sum(label in own if label else not own for own in sets.values())
        for part, share in {"train": 0.6, "val": 0.2, "test": 0.2}.items():
            here = sum(label in own if label else not own for own in back[part].values())
            assert abs(here - share * of_all) <= 2


def test_a_share_of_each_label_is_held_out(tmp_path):
    sets = made_list(tmp_path, 200, ["a", "b"])
    lists = dict.fromkeys(("val", "test")) | {"train": "all"}
    catalog = Catalog(str(tmp_path), lists=lists, classes=None, multi_label=True, hold_out=0.25)
    train, held = ({record.name for record in catalog.records(part)} for part in ("train", "val"))
    assert train | held == sets.keys()
    assert not train & held
    assert {int(name[2:5]) // 2 for name in train}.isdisjoint(int(name[2:5]) // 2 for name in held)  # groups are whole
    for label in ("a", "b"):
        assert abs(sum(label in sets[name] for name in held) - 0.25 * sum(label in own for own in sets.values())) <= 2

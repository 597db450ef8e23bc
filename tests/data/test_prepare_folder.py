"""A prepared folder: what is in it, what is refused, and what a run leaves that was stopped."""

import json
import multiprocessing
import shutil
from functools import partial
from pathlib import Path

import pytest

from tests.data.dying import prepare_and_die
from tests.data.prepared import write_numbered
from tests.videos import write_video
from videogn.data.lists.catalog import Catalog
from videogn.data.lists.formats import read_list
from videogn.data.media import media_below
from videogn.files import is_partial, replacing
from videogn.tools.prepare import Encoding, PrepareError, prepare_folder
from videogn.tools.prepare import video as video_module
from videogn.tools.prepare.originals import find_originals
from videogn.tools.prepare.rename import rename_in
from videogn.tools.prepare.video import Job, prepare_job
from videogn.tools.workers import work_all

SMALL = Encoding(short_side=32)


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Path -> bytes and time of change, of all files below."""
    return {
        path.relative_to(folder).as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("original") / "o.avi", codec="mpeg4", num_frames=12)


@pytest.fixture
def root(tmp_path: Path, original: Path) -> Path:
    for name in ("train/jump/a.avi", "train/run/b c.AVI", "train/run/d.mp4", "val/jump/e.mkv"):
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, tmp_path / "root" / name)
    return tmp_path / "root"


def prepare(root: Path, out: Path, settings: Encoding = SMALL, **more):
    return prepare_folder(root, out, settings=settings, num_workers=0, **more)


@pytest.mark.filterwarnings("ignore:.*left out. 1 x .json")
def test_all_videos_and_no_more(root, tmp_path):
    (root / "train/broken.mp4").write_text("no video")
    (root / "train/cover.jpg").write_bytes(b"image")
    (root / "notes.json").write_text("{}")
    before = contents(root)
    seen = []
    with pytest.warns(UserWarning, match=r"left out: 1 x .json"):
        find_originals(root)
    summary = prepare(root, tmp_path / "out", on_done=lambda name, _, done, total: seen.append((name, done, total)))
    assert contents(root) == before
    made = contents(tmp_path / "out")
    videos = {"train/jump/a.mp4", "train/run/b c.mp4", "train/run/d.mp4", "val/jump/e.mp4"}
    assert set(made) == videos | {"prepare.json"}
    assert (summary.num_prepared, summary.num_there, summary.num_images) == (4, 0, 1)
    assert list(summary.failures) == ["train/broken.mp4"]
    assert summary.bytes_before == 4 * (root / "train/jump/a.avi").stat().st_size
    assert summary.bytes_after == sum(len(made[name][0]) for name in videos)
    assert len(seen) == 5
    assert seen[-1][1:] == (5, 5)

    (tmp_path / "out/train/run/d.mp4").unlink()
    again = prepare(root, tmp_path / "out")
    assert (again.num_prepared, again.num_there) == (1, 3)
    assert again.bytes_after == summary.bytes_after
    after = contents(tmp_path / "out")
    assert after.keys() == made.keys()
    assert {name for name in made if after[name] != made[name]} == {"train/run/d.mp4"}
    assert after["train/run/d.mp4"][0] == made["train/run/d.mp4"][0]


def test_links_to_folders_are_followed_and_those_that_lead_back_end(root, tmp_path, original):
    (tmp_path / "elsewhere").mkdir()
    shutil.copy(original, tmp_path / "elsewhere/f.avi")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "train/back").symlink_to(root)
    prepare(root, tmp_path / "out")
    assert len(list((tmp_path / "out").rglob("*.mp4"))) == 5
    assert (tmp_path / "out/linked/f.mp4").is_file()


def test_what_cannot_be_asked_for_is_refused_before_any_work(root, tmp_path, original):
    for out, message in ((root, "is root"), (root / "train/p", "lies in root"), (tmp_path, "holds root")):
        with pytest.raises(ValueError, match=message):
            prepare(root, out)
    (tmp_path / "link").symlink_to(root)
    with pytest.raises(ValueError, match="lies in root"):
        prepare(root, tmp_path / "link/new")
    with pytest.raises(ValueError, match="is no folder"):
        prepare(tmp_path / "none", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no videos"):
        prepare(tmp_path / "empty", tmp_path / "out")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(ValueError, match="holds something else"):
        prepare(root, tmp_path / "mine")
    shutil.copy(original, root / "train/jump/a.mov")
    with pytest.raises(ValueError, match=r"a\.avi and train/jump/a\.mov would both become train/jump/a\.mp4"):
        prepare(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["file"]


def test_another_run_of_another_kind_is_refused(root, tmp_path, original):
    prepare(root, tmp_path / "out")
    before = contents(tmp_path / "out")
    with pytest.raises(ValueError, match=r"'quality': 20.*'quality': 23.*was asked for.*choose a new folder"):
        prepare(root, tmp_path / "out", settings=Encoding(short_side=32, quality=23))
    shutil.copytree(root, tmp_path / "other")
    with pytest.raises(ValueError, match=r"has root .*root, but .*other was asked for.*change it there"):
        prepare(tmp_path / "other", tmp_path / "out")
    (tmp_path / "out/prepare.json").write_text("[]")
    with pytest.raises(ValueError, match=r"prepare\.json can't be used"):
        prepare(root, tmp_path / "out")
    (tmp_path / "out/prepare.json").write_bytes(before["prepare.json"][0])
    assert {name: data for name, (data, _) in contents(tmp_path / "out").items()} == {
        name: data for name, (data, _) in before.items()
    }


def test_two_runs_at_once_are_refused(root, tmp_path):
    def second(*_):
        with pytest.raises(ValueError, match="another run is at work"):
            prepare(root, tmp_path / "out")
        refused.append(True)

    refused: list[bool] = []
    prepare(root, tmp_path / "out", on_done=second)
    assert len(refused) == 4


@pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_that_is_interrupted_leaves_whole_files_only(root, tmp_path, num_workers):
    def interrupt(*_):
        raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        prepare_folder(root, out, settings=SMALL, num_workers=num_workers, on_done=interrupt)
    assert not multiprocessing.active_children()
    kept = contents(out)
    assert 1 < len(kept) < 5 or num_workers
    assert not any(map(is_partial, kept))
    stale = out / ".partial-0123.mp4"
    stale.touch()
    still_there = []
    prepare(root, out, on_done=lambda *_: still_there.append(stale.exists()))
    assert not any(still_there)
    after = contents(out)
    assert len(after) == 5
    assert all(after[name] == kept[name] for name in kept)


def test_who_lists_a_folder_meanwhile_finds_whole_files_only(root, original):
    def listed():
        return [file.name for file in media_below(root)], find_originals(root).targets

    before = listed()
    with replacing(root / "train/jump/b.mp4") as partial, replacing(root / "train.csv"):
        shutil.copy(original, partial)
        assert listed() == before
    assert len(listed()[0]) == len(before[0]) + 1


@pytest.mark.slow
def test_an_interrupted_run_waits_for_no_video(root, tmp_path):
    write_video(root / "a_long.mp4", num_frames=300, height=320, width=480)

    def interrupt(name, *_):
        assert name != "a_long.mp4"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare_folder(root, tmp_path / "out", settings=Encoding(quality=0), num_workers=2, on_done=interrupt)
    assert not (tmp_path / "out/a_long.mp4").exists()
    assert not list((tmp_path / "out").rglob(".*"))


def test_a_name_is_given_only_to_what_reads_back_whole(root, tmp_path, monkeypatch):
    frames = video_module.PyAVVideo.frames

    def fewer(self):
        found = list(frames(self))
        return iter(found[:-1] if is_partial(Path(self.path).name) else found)

    monkeypatch.setattr(video_module.PyAVVideo, "frames", fewer)
    with pytest.raises(PrepareError, match="12 frames were written, but 11 are read back"):
        video_module.prepare_video(root / "train/jump/a.avi", tmp_path / "p.mp4", settings=SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["root"]


@pytest.mark.slow
def test_a_process_that_dies_takes_no_other_video_with_it(root, tmp_path):
    jobs = [Job(root / "train/jump/a.avi", tmp_path / f"{index}.mp4") for index in range(6)]
    outcomes = []
    for job, outcome in work_all(jobs, partial(prepare_job, settings=SMALL), num_workers=2):
        if not outcomes:
            for child in multiprocessing.active_children():
                child.kill()
        outcomes.append((job.target.name, isinstance(outcome, str)))
    assert sorted(outcomes) == [(f"{index}.mp4", False) for index in range(6)]


@pytest.mark.slow
def test_a_video_whose_process_always_dies_is_named(root, tmp_path):
    jobs = [Job(root / "a", tmp_path / "a.mp4")]
    outcomes = list(work_all(jobs, prepare_and_die, num_workers=1))
    assert [outcome for _, outcome in outcomes] == [
        "the process that worked on it died: the decoder crashed, or memory ran out"
    ]


@pytest.mark.slow
def test_processes_make_the_same_files(root, tmp_path):
    prepare(root, tmp_path / "one")
    prepare_folder(root, tmp_path / "two", settings=SMALL, num_workers=2)
    one, two = ({name: data for name, (data, _) in contents(tmp_path / out).items()} for out in ("one", "two"))
    assert one == two


# Lists


def test_lists_of_every_format_find_the_prepared_files(tmp_path, original):
    root, out = tmp_path / "root", tmp_path / "out"
    for name in ("jump/v_j_g01.avi", "run/v_r_g01.avi", "k/abcdefghijk_000001_000011.mkv"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(original, root / name)
    lists = {
        "train.csv": "path,label\njump/v_j_g01.avi,jump\n" + f"{root}/run/v_r_g01.avi,run\n",
        "classes.txt": "jump\nrun\n",
        "kinetics.csv": "label,youtube_id,time_start,time_end,split\njump,abcdefghijk,1,11,train\n",
        "ucf/classInd.txt": "1 jump\n2 run\n",
        "ucf/trainlist01.txt": "jump/v_j_g01.avi 1\nrun/v_r_g01.avi 2\n",
        "ucf/testlist01.txt": "jump/v_j_g01.avi\n",
        "hmdb/jump_test_split1.txt": "v_j_g01.avi 1 \n",
        "hmdb/run_test_split1.txt": "v_r_g01.avi 1 \n",
    }
    for name, text in lists.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text)
    summary = prepare(root, out)
    assert summary.num_lists == len(lists)
    for name in ("train.csv", "kinetics.csv", "ucf/trainlist01.txt", "ucf/testlist01.txt", "hmdb/*_test_split1.txt"):
        before = read_list(root / name, root=root, split="train")
        after = read_list(out / name, root=out, split="train")
        assert [entry.label for entry in after] == [entry.label for entry in before]
        wanted = [Path(entry.path).relative_to(root).with_suffix(".mp4") for entry in before]
        assert [Path(entry.path).relative_to(out) for entry in after] == wanted
        assert all(Path(entry.path).is_file() for entry in after), name
    catalog = Catalog(str(out), lists={"train": None, "val": None, "test": None}, classes=None)
    assert [(record.name, record.label) for record in catalog.present("train")] == [
        ("jump/v_j_g01.mp4", 0),
        ("run/v_r_g01.mp4", 1),
    ]
    assert (out / "classes.txt").read_text() == lists["classes.txt"]


def test_class_folders_find_the_prepared_files(root, tmp_path):
    prepare(root, tmp_path / "out")
    entries = read_list(tmp_path / "out/train", root=tmp_path / "out", split="train")
    assert [(entry.name, entry.label) for entry in entries] == [
        ("jump/a.mp4", "jump"),
        ("run/b c.mp4", "run"),
        ("run/d.mp4", "run"),
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a/v.avi 3\r\n", "a/v.mp4 3\r\n"),
        ("a/b c.AVI arm wrestling", "a/b c.mp4 arm wrestling"),
        ("a/v.avi\tx", "a/v.mp4\tx"),
        ('"a/x, y.avi",3', '"a/x, y.mp4",3'),
        ('\ufeff"v.avi",3', '\ufeff"v.mp4",3'),
        ("\ufeffv.avi 3", "\ufeffv.mp4 3"),
        ("3,a/v.avi,jump", "3,a/v.mp4,jump"),
        ("id.mp4.webm 3", "id.mp4.mp4 3"),
        ("/data/set/a/v.avi 3", "a/v.mp4 3"),
        ("/elsewhere/a/v.avi 3", "/elsewhere/a/v.avi 3"),
        ("../v.avi 3", "../v.avi 3"),
        ("a/unknown.avi 3", "a/unknown.avi 3"),
        ("a/v.avi.jpg 3", "a/v.avi.jpg 3"),
        ("a class\udcff\u2028of its own", "a class\udcff\u2028of its own"),
    ],
)
def test_names_in_lists(line, expected):
    names = {"v.avi", "b c.AVI", "x, y.avi", "id.mp4.webm"}
    assert rename_in(f"{line}\n{line}", root=Path("/data/set"), names=names) == f"{expected}\n{expected}"


def test_lists_that_changed_go_along_again(root, tmp_path):
    (root / "train.txt").write_text("train/jump/a.avi 0\n")
    prepare(root, tmp_path / "out")
    before = (tmp_path / "out/train.txt").stat().st_mtime_ns
    prepare(root, tmp_path / "out")
    assert (tmp_path / "out/train.txt").stat().st_mtime_ns == before
    (root / "train.txt").write_text("train/run/d.mp4 0\n")
    prepare(root, tmp_path / "out")
    assert (tmp_path / "out/train.txt").read_text() == "train/run/d.mp4 0\n"
    assert json.loads((tmp_path / "out/prepare.json").read_text())["settings"]["short_side"] == 32

"""Lists, configs, checkpoints and records of any content are taken or refused in a line, and nothing is executed."""

import copy
import json
import os
import pickle
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runs import TINY
from videogn.ablation.base import base_settings
from videogn.ablation.cells import cells_of
from videogn.ablation.report.gather import gather
from videogn.ablation.running.watch import steps_saved
from videogn.ablation.study import Study
from videogn.ablation.study_folder import cell_folder, read_record, record_study, write_record
from videogn.cli import main
from videogn.commands.configs import check_all_yaml
from videogn.commands.run_folder import read_checkpoint
from videogn.commands.trainer_arguments import Parser
from videogn.commands.usage import UsageError
from videogn.data.datamodule import KineticsDataModule
from videogn.settings_file import read_settings
from videogn.trained.run import load
from videogn.training.errors import CheckpointError
from videogn.training.position import position_of

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def examples(few: int, many: int) -> Any:
    """Settings of hypothesis: few examples, with --full many."""
    number = many if os.environ.get("VIDEOGN_TEST_FULL") else few
    checks = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=number, suppress_health_check=checks)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, data_root: Path) -> Iterator[Path]:
    """The working folder, with tiny.yaml and a trained run."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "tiny.yaml").write_text(TINY.replace("num_workers: 1", f"num_workers: 0, root: {data_root}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr("sys.argv", ["videogn"])
        assert main(["fit", "--config", "tiny.yaml", "--run_dir", "run", "--trainer.max_epochs", "1"]) == 0
        yield folder


def taken_or_refused(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    status = main(words)
    error = [line for line in capfd.readouterr().err.splitlines() if ": error: " in line]
    assert (status, len(error)) in {(0, 0), (2, 1), (1, 1)}, (status, error)
    assert not Path("executed").exists()


def refused(words: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """That a command refuses something in a line, and neither executes nor begins anything."""
    capfd.readouterr()
    assert main(words) == 2, words
    error = capfd.readouterr().err
    assert error.startswith(f"videogn {words[0]}: error: "), error
    assert error.count("\n") == 1, error
    assert not Path("new").exists()
    assert not Path("executed").exists()


# Lists

WORDS = st.sampled_from(
    [
        *("train/00.mp4", "train/01.mp4", "a b.mp4", " ", ",", ";", "\t", "\n", "\n", "\r", "\0", "\ufeff", "\u2028"),
        *("0", "1", "-1", "1.5", "1e400", "9" * 5000, "x" * 140_000, "run", "jump", "path,label\n", "path label\n"),
        *(
            "label,youtube_id,time_start,time_end,split\n",
            '"',
            "[" * 3000,
            "[1,2]",
            "{}",
            "# ",
            "..",
            "/",
            "~",
            "$HOME",
        ),
        '{"path": "train/00.mp4", "label": 0}',
        '{"label": [1], "path": null}',
        '{"database": {"a": {"annotations": {"label": 1, "segment": [0, 1e999]}}}}',
        '[{"id": {}, "template": "x"}]',
        '[{"vid_name": [1], "label": {}}]',
    ]
)
LISTS = st.one_of(st.binary(max_size=200), st.lists(WORDS, max_size=25).map(lambda words: "".join(words).encode()))
NAMES = st.sampled_from(
    ["l.txt", "l.csv", "l.json", "l.jsonl", "trainlist01.txt", "run_test_split1.txt", "classes.json"]
)


@given(content=LISTS, name=NAMES, role=st.sampled_from(["train_list", "val_list", "classes", "exclude"]))
@examples(100, 5000)
def test_lists_of_any_content(run, data_root, content, name, role):
    Path(name).write_bytes(content)
    Path("classInd.txt").write_text("1 a\n")
    with suppress(ValueError):  # and nothing else
        data = KineticsDataModule(str(data_root), num_workers=0, **{role: name})
        for split in ("train", "val"):
            data.catalog.present(split)
        data.catalog.fingerprint("train")
        data.doubts()


# Configs

EXECUTE = {"class_path": "subprocess.Popen", "init_args": {"args": ["touch", "executed"]}}
VALUES = st.sampled_from(
    [
        *(None, 0, -1, 1, 1.5, float("nan"), "x", "", [], {}, [1], {"a": 1}, True, 10**30, 10**400, "\0", [[]], {1: 2}),
        *("1e3", "../x", "$(touch executed)", EXECUTE, [EXECUTE], {"class_path": "os.system"}),
    ]
)
SETTINGS = st.sampled_from(
    [
        *("model", "model.norm", "model.depth", "model.base_lr", "model.schedule", "model.renorm", "model.weights"),
        *("model.activation_checkpointing", "data", "data.scale_size", "data.num_workers", "data.train_list"),
        *("data.classes", "data.protocol", "data.batch_size", "data.list_columns", "data.color_jitter", "trainer"),
        *(
            "trainer.callbacks",
            "trainer.logger",
            "trainer.devices",
            "trainer.precision",
            "trainer.plugins",
            "ckpt_path",
        ),
        *(
            "trainer.strategy",
            "trainer.limit_train_batches",
            "total_batch_size",
            "checkpoint_every",
            "resume",
            "config",
        ),
        *("seed_everything", "precise_bn_batches", "unknown"),
    ]
)
ODD_VALUES = [
    *("!!python/name:os.system ''", "!!python/object/new:os.system [touch executed]", "!local 1", "!!bool x"),
    *("!!binary Z24=", "!!set {gn}", "!!omap [gn: 1]", "!!timestamp 2026-01-01", "!!int x", "!!float x"),
    *("1.0e+999", ".nan", str(10**30), str(10**400), "9" * 5000, "0b_", "0x" + "f" * 5000),
]
ALIASES = b"a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + b"".join(
    b"%c: &%c [%s]\n" % (n, n, b", ".join([b"*%c" % (n - 1)] * 8)) for n in b"bcdefghi"
)
ODD_FILES = [
    b"",
    b"[]",
    b"x",
    b"\xff\xfe",
    b"model: &m\n  norm: gn\n  schedule: *m\n",
    ALIASES,
    b"model: !!python/object/apply:os.system ['touch executed']\n",
    b"a: " + b"[" * 1000,
    b"model: {norm: gn, norm: bn}\n",
    b"model: {base_lr: !!bool x}\n",
]


@pytest.mark.parametrize("content", ODD_FILES, ids=range(len(ODD_FILES)))
@pytest.mark.parametrize("command", ["fit", "ablate"])
def test_config_files_that_are_none(run, capfd, content, command):
    Path("odd.yaml").write_bytes(content)
    assert main([command, "--config", "odd.yaml"]) == 2
    error = capfd.readouterr().err
    assert error.startswith(f"videogn {command}: error: ")
    assert error.count("\n") == 1
    assert not Path("executed").exists()


@pytest.mark.parametrize("value", ODD_VALUES)
def test_values_that_are_none(value):
    with pytest.raises(ValueError, match=r"has the tag|a finite number|64 bits at most|its YAML can't be read"):
        read_settings(f"a: [1, {{b: {value}}}]".encode())


def test_settings_that_are_none_wherever_a_command_reads_them(run, capfd):
    """A part of the settings in a file of its own, a study's base, a run's own settings: all by the same reader."""
    Path("odd.yaml").write_bytes(ALIASES)
    Path("parts.yaml").write_text("model: odd.yaml\n")
    Path("odd_run").mkdir(exist_ok=True)
    shutil.copy("odd.yaml", "odd_run/config.yaml")
    for words in (
        ["fit", "--config", "parts.yaml", "--run_dir", "new"],
        ["test", "--run_dir", "odd_run"],
        ["ablate", "--base", "odd.yaml", "--axes.model.norm", "[gn, bn]", "--out", "new"],
        ["fits", "--config", "odd.yaml"],
    ):
        refused(words, capfd)
    with pytest.raises(ValueError, match=r"odd_run.config\.yaml"):
        load("odd_run")


def test_values_on_a_command_line_that_are_none(run, capfd):
    ablate = ["ablate", "--base", "tiny.yaml", "--out", "new", "--axes.model.norm", "[gn, bn]"]
    for value in ("[!!python/object/apply:os.system [touch executed]]", " " + "[" * 1000, "NaN", str(10**30)):
        refused([*ablate, "--settings.model.base_lr", value], capfd)
    check_all_yaml()
    parser = Parser()
    parser.add_argument("--a", type=dict[str, Any])
    assert parser.parse_args(["--a", "{b: 1e-3, c: 2026-01-01}"]).a == {"b": 1e-3, "c": "2026-01-01"}
    for value in ("{b: 1, b: 2}", "{b: !!bool x}", "{b: .nan}", f"{{b: {10**400}}}", ALIASES.decode()):
        with pytest.raises(UsageError):
            parser.parse_args(["--a", value])


def test_settings_are_read_as_yaml_reads_them():
    """But for dates, which are text."""
    text = "a: &a {b: [1, 0x1f, -1.5, .5, true, ~, 'x', z, 1.5e+3, 1e-3]}\nc: {<<: *a, b: 2, d: 1}\ne: [*a, *a]\n"
    assert read_settings(text.encode()) == yaml.safe_load(text)
    assert read_settings(b"a: 2026-01-01") == {"a": "2026-01-01"}


@given(changes=st.lists(st.tuples(SETTINGS, VALUES), min_size=1, max_size=3))
@examples(3, 200)
def test_configs_of_any_values(run, capfd, changes):
    config = yaml.safe_load(Path("tiny.yaml").read_text())
    config["trainer"] |= {"max_steps": 0, "limit_val_batches": 0}
    for name, value in changes:
        part, _, setting = name.partition(".")
        if not setting:
            config[part] = value
        elif isinstance(config.get(part), dict):
            config[part][setting] = value
    Path("changed.yaml").write_text(yaml.safe_dump(config))
    shutil.rmtree("new", ignore_errors=True)
    words = ["--run_dir", "new", "--trainer.max_epochs", "1", "--trainer.accelerator", "cpu"]
    taken_or_refused(["fit", "--config", "changed.yaml", *words], capfd)


# Checkpoints


class Payload:
    def __reduce__(self) -> Any:
        return os.system, ("touch executed",)


@pytest.mark.parametrize("how", ["pickle", "torch", "older torch"])
def test_checkpoints_that_would_execute_something(run, capfd, how):
    shutil.rmtree("other", ignore_errors=True)
    shutil.copytree("run", "other")
    last = Path("other/checkpoints/last.ckpt")
    whole = torch.load(last, weights_only=True)
    if how == "pickle":
        last.write_bytes(pickle.dumps(Payload()))
    else:
        torch.save({**whole, "more": Payload()}, last, _use_new_zipfile_serialization=how == "torch")
    weights = ["fit", "--config", "tiny.yaml", "--run_dir", "new", "--model.weights", str(last)]
    for words in (
        ["test", "--run_dir", "other"],
        ["fit", "--run_dir", "other"],
        weights,
        ["weights", "show", str(last)],
    ):
        assert main(words) == 2, words
        error = capfd.readouterr().err
        assert ": error: " in error
        assert "Traceback" not in error
        assert not Path("executed").exists()


def test_what_a_checkpoint_knows_of_videos_that_the_list_does_not_have(run, capfd):
    """The list has 12."""
    content = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    for row in ([0, 1], ["0", 1, "x"], [0, 1, 2], [-1, 0, "x"], [10**30, 0, "x"]):
        content["videogn"]["training"]["known"]["failed"] = [row]
        torch.save(content, "changed.ckpt")
        with pytest.raises(UsageError, match=r"training\.known"):
            read_checkpoint("changed.ckpt")
    content["videogn"]["training"]["known"]["failed"] = [[12, 0, "x"]]  # by the file alone, it may be right
    torch.save(content, "changed.ckpt")
    refused(["fit", "--config", "tiny.yaml", "--run_dir", "begun", "--ckpt_path", "changed.ckpt"], capfd)


def test_counts_of_a_checkpoint_that_contradict_each_other(run, capfd):
    """The run has an epoch of 3 updates."""
    content = torch.load("run/checkpoints/last.ckpt", weights_only=True)
    training, much = content["videogn"]["training"], 2**62
    for part, name in ((content, "global_step"), (training, "steps")):
        whole, part[name] = part[name], much
        torch.save(content, "changed.ckpt")
        with pytest.raises(UsageError, match="updates"):
            read_checkpoint("changed.ckpt")
        part[name] = whole
    for steps, epochs, updates in ((3, 1, much), (3, much, 0), (much, 1, 0), (3, 0, 0), (4, 1, 0)):
        changed = training | {"steps": steps, "position": {"epochs": epochs, "updates": updates}}
        with pytest.raises(CheckpointError, match="3 updates each"):
            position_of(content, changed, updates_per_epoch=3)
    training["position"]["updates"] = much
    torch.save(content, "changed.ckpt")
    refused(["fit", "--config", "tiny.yaml", "--run_dir", "new", "--ckpt_path", "changed.ckpt"], capfd)


PLAIN = st.sampled_from(
    [
        *(None, 0, -1, 1.5, float("nan"), "x", [], {}, [1], {"a": 1}, True, 2**62, 10**30, 10**400),
        *(torch.zeros(2), torch.zeros(0), (1, 2)),
    ]
)


def changed(draw: Any, content: Any, values: Any) -> Any:
    """A copy of nested dictionaries and lists with one of their values changed or taken away."""
    content = copy.deepcopy(content)
    inside = content
    while True:
        keys = list(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = draw(st.sampled_from(keys))
        if isinstance(inside[key], dict | list) and inside[key] and draw(st.integers(0, 3)):
            inside = inside[key]
            continue
        if isinstance(inside, dict) and draw(st.booleans()):
            del inside[key]
        else:
            inside[key] = draw(values)
        return content


@given(data=st.data())
@examples(20, 1000)
def test_checkpoints_of_any_content_are_read_or_refused(run, data):
    content = changed(data.draw, torch.load("run/checkpoints/last.ckpt", weights_only=True), PLAIN)
    torch.save(content, "changed.ckpt")
    with suppress(UsageError):
        read_checkpoint("changed.ckpt")


@given(data=st.data(), command=st.sampled_from(["fit", "test", "validate"]))
@examples(2, 200)
def test_what_is_read_of_a_checkpoint_ends_no_command_in_a_traceback(run, capfd, data, command):
    shutil.rmtree("other", ignore_errors=True)
    shutil.copytree("run", "other")
    content = changed(data.draw, torch.load("run/checkpoints/last.ckpt", weights_only=True), PLAIN)
    torch.save(content, "other/checkpoints/last.ckpt")
    more = ["--trainer.max_epochs", "2"] if command == "fit" else ["--data.protocol", "1x1"]
    taken_or_refused([command, "--run_dir", "other", *more], capfd)


# What runs and studies record


def recorded() -> Path:
    """Makes the folder "study", of one that tunes and whose seeds were added to; that of its only result."""
    content = Path("tiny.yaml").read_bytes()
    study = Study(
        base="tiny.yaml",
        axes={"model.norm": ["bn", "gn"], "norm_batch_size": [2, 1]},
        total_batch_size=4,
        seeds=[0, 1],
        tune={"model.base_lr": [0.1, 0.2]},
    )
    cells = cells_of(study, base_settings(content, name="tiny.yaml"))
    shutil.rmtree("study", ignore_errors=True)
    folder = cell_folder(cells[0], out=Path("study"))
    (folder / "checkpoints").mkdir(parents=True)
    record_study(study, base=content, out=Path("study"))
    write_record(folder, {"cell": cells[0].identity, "stage": None})
    (folder / "result.json").write_text(json.dumps({"top1": 50.0, "parts": [], "code": {"train": "1", "test": "1"}}))
    (folder / "failure.json").write_text('{"kind": "x", "stage": "fit", "status": 1, "message": "m", "log": []}')
    (folder / "checkpoints/last.json").write_text('{"steps": 6}')
    search = {"chosen": {"model.base_lr": 0.1}, "tune": study.tune, "tuning_seeds": study.tuning_seeds}
    Path("study/tuning.json").write_text(json.dumps({cells[0].point: search | {"before": [search]}}))
    Path("study/seeds_seen.json").write_text("[0]")
    return folder


@given(data=st.data())
@examples(20, 1000)
def test_records_of_any_content(run, data):
    folder = recorded()
    files = ["study.json", "tuning.json", "seeds_seen.json"]
    of_cell = ["cell.json", "result.json", "failure.json", "checkpoints/last.json"]
    name = data.draw(st.sampled_from(files + of_cell))
    file = Path("study") / name if name in files else folder / name
    values = st.sampled_from([None, 0, -1, 1.5, "x", [], {}, [1], {"a": 1}, True, 10**30])
    text = json.dumps(changed(data.draw, json.loads(file.read_text()), values)).encode()
    odd = st.sampled_from([b"", b"[]", b"null", b"1", b"\xff", b"[" * 5000, b'{"a":' * 3000])
    file.write_bytes(data.draw(st.one_of(st.just(text), odd, st.binary(max_size=30))))
    if name == "failure.json":
        (folder / "result.json").unlink()
    with suppress(ValueError):
        gather(Path("study"))
    read_record(folder)
    assert steps_saved(folder) >= -1


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("study.json", {"settings": None}),
        ("study.json", {"protocol": 1}),
        ("study.json", {"paper": [1]}),
        ("study.json", {"comparison": []}),
        ("tuning.json", {"x": {"chosen": {}, "tune": [], "tuning_seeds": [1000]}}),
        ("tuning.json", {"x": {"chosen": {}, "tune": {}, "tuning_seeds": [1000], "before": [1]}}),
    ],
)
def test_records_that_are_none(run, name, change):
    recorded()
    file = Path("study") / name
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ValueError, match=name):
        gather(Path("study"))


def test_seeds_that_a_study_does_not_have(run):
    recorded()
    Path("study/seeds_seen.json").write_text("[7]")
    assert not any("Seeds were added" in warning for warning in gather(Path("study")).warnings)

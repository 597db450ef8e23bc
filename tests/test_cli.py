"""Bad input: one line, the right exit status, nothing lost and nothing half-written."""

import json
import re
from pathlib import Path

import pytest
import torch

from tests.videos import write_video
from videogn.cli import main
from videogn.commands.configs import find_config, resolve_configs
from videogn.commands.run_folder import default_run_dir, values, with_run_config
from videogn.commands.usage import UsageError
from videogn.models.norm import norm_factory
from videogn.norms import NORMS
from videogn.training.module import VideoClassifier
from videogn.training.precise_bn import precise_norms

SETTINGS = """
model: {norm: gn, channels_per_group: 4, depth: 14, width: 8}
data: {num_frames: 8, crop_size: 32, scale_size: 32, test_scale_size: 32, test_crop_size: 32, batch_size: 2}
trainer: {max_epochs: 1, log_every_n_steps: 1}
"""


@pytest.fixture
def base(tmp_path: Path, data_root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """`fit` of a tiny model on the tiny data set, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["videogn"])
    (tmp_path / "tiny.yaml").write_text(SETTINGS)
    return ["fit", "--config", "tiny.yaml", "--data.root", str(data_root)]


def fails(capsys: pytest.CaptureFixture[str], words: list[str], status: int) -> str:
    """The error's one line."""
    assert main(words) == status
    lines = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    assert len(lines) == 1, lines
    assert lines[0].startswith(f"videogn {words[0]}: error: ") or words[0] == "fly"
    return lines[0]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["--model.norm", "layer"], "expected one of gn, bn, "),
        (["--model.depth", "18"], "depth"),
        (
            ["--model.channels_per_group", "3"],
            "stem of an I3D of width 8: groups of 3 channels do not divide 8 channels",
        ),
        (["--data.protocol", "30x1"], "expected one of 10x3, 10x1, 1x1"),
        (["--data.root", "nowhere"], "data.root 'nowhere' is no folder"),
        (["--data.train_list", "none.csv"], "none.csv: no such list"),
        (["--data.crop_size", "64"], "must rise and not be below crop_size"),
        (["--data.num_frames", "1"], "1 frames of 32 px leave nothing"),
        (["--total_batch_size", "3"], "total_batch_size 3 is no multiple of data.batch_size 2"),
        (["--total_batch_size", "4", "--trainer.accumulate_grad_batches", "2"], "not both"),
        (["--model.nrom", "gn"], "nrom"),
        (["--ckpt_path", "none.ckpt"], "none.ckpt: no such file"),
        (["--ckpt_path", "last"], "last.ckpt: no such checkpoint"),
        (
            ["--model.norm", "bn", "--model.norm_batch_size", "4"],
            "norm_batch_size 4 does not divide the device batch of 2",
        ),
        (["--model.schedule.milestones", "[3, 2]"], "milestones must be positive and rise"),
        (["--model.norm_batch_size", "0"], "norm_batch_size is 0"),
        (["--model.label_smoothing", "2"], "label_smoothing is 2"),
        (["--model.momentum", "-1"], "momentum is -1"),
        (["--trainer.accelerator", "gpu"], "gpu"),
        (["--trainer.max_epochs", "-1"], "the run has no end"),
        (["--seed_everything", "-1"], "seed_everything"),
        (["--trainer.sync_batchnorm", "true"], "use --model.norm sync_bn"),
        (["--trainer.precision", "bf16-true"], "expected 32-true, bf16-mixed or 16-mixed"),
        (["--model.layout", "image"], "layout image is for single frames, and num_frames is 8"),
        (["--model.channels_per_group", "1"], "leave one value of it in res5"),
        (
            ["--model.norm", "bn", "--model.norm_batch_size", "1", "--model.channels_per_group", "null"],
            "a normalisation batch of 1 clip nothing to normalise",
        ),
        (["--total_batch_size", "16"], "12 training videos do not fill one total batch of 16 clips"),
        (["--run_d", "elsewhere"], "run_d"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_before_work(base, capsys, more, expected):
    assert expected in fails(capsys, base + more, 2)
    assert not Path("runs").exists()


def test_a_broken_list_line_is_named(base, capsys, data_root):
    Path("bad.csv").write_text("train/00.mp4 jump\ntrain/01.mp4\n")
    line = fails(capsys, [*base, "--data.train_list", "bad.csv"], 2)
    assert "bad.csv:2: expected 'path label'" in line
    Path("range.csv").write_text("train/00.mp4 jump\ntrain/01.mp4 9\n")
    assert "range.csv:2: label '9' is out of range" in fails(capsys, [*base, "--data.val_list", "range.csv"], 2)


def test_unknown_commands_and_configs(capsys, base):
    assert "unknown command 'fly'" in fails(capsys, ["fly"], 2)
    line = fails(capsys, ["fit", "--config", "i3d_bnn.yaml"], 2)
    assert "i3d_bnn.yaml: no such file" in line
    assert "i3d_bn.yaml" in line
    assert "give --config FILE" in fails(capsys, ["fit"], 2)
    assert "runs/x holds no run" in fails(capsys, ["test", "--run_dir", "runs/x"], 2)
    assert "no such checkpoint; train first" in fails(capsys, ["test", *base[1:]], 2)
    assert "no such checkpoint" in fails(capsys, ["predict", *base[1:], "--videos", "a.mp4"], 2)


def test_a_checkpoint_that_is_none_is_refused(base, capsys):
    Path("junk.ckpt").write_text("junk")
    for command in ("fit", "test"):
        line = fails(capsys, [command, *base[1:], "--ckpt_path", "junk.ckpt"], 2)
        assert "junk.ckpt: not a checkpoint" in line


def test_words_are_read_in_their_order():
    words = ["fit", "--config=a/x.yaml", "--run_dir=A", "-c", "b/y.yaml", "--run_dir", "B"]
    assert values(words, "--run_dir") == ["A", "B"]
    assert default_run_dir(words) == Path("runs/y")
    assert with_run_config(words) == words


@pytest.mark.slow
def test_a_run_that_failed_leaves_its_folder_free(base, capsys, tmp_path, data_root):
    listing = tmp_path / "broken.csv"
    (tmp_path / "broken.mp4").write_text("no video")
    listing.write_text(f"{tmp_path}/broken.mp4 jump\n{tmp_path}/broken.mp4 run\n")
    outside = ["--data.allow_outside", "true"]
    fails(capsys, [*base, "--data.train_list", str(listing), "--data.batch_size", "1", *outside], 1)
    assert main(base) == 0
    capsys.readouterr()
    test = ["test", "--run_dir", "runs/tiny", "--data.test_list", str(listing), *outside]
    assert "1 of 2 test videos failed so far, more than --data.skip_undecodable 0 allows" in fails(capsys, test, 1)
    # None of the test videos can be decoded: no result, and no green exit status.
    line = fails(capsys, [*test, "--data.skip_undecodable", "1"], 1)
    assert "none of the 2 videos could be scored" in line


@pytest.mark.slow
def test_broken_videos_are_skipped_at_any_device_batch(base, capsys, tmp_path, data_root):
    (tmp_path / "broken.mp4").write_text("no video")
    listing = tmp_path / "some.csv"
    listing.write_text((data_root / "train.csv").read_text() + f"{tmp_path}/broken.mp4 jump\n")
    words = ["--data.train_list", str(listing), "--data.skip_undecodable", "1", "--data.batch_size", "1"]
    words += ["--data.allow_outside", "true"]
    assert main([*base, *words, "--total_batch_size", "13"]) == 0
    assert "1 videos skipped" in capsys.readouterr().out


ABLATE = ["ablate", "--config", "study.yaml", "--out", "study"]


def test_ablate_refuses_a_study_that_cannot_be(base, capsys):
    study = "base: tiny.yaml\naxes: {model.norm: [bn], norm_batch_size: [3]}\ntotal_batch_size: 16\n"
    Path("study.yaml").write_text(study)
    assert "3 does not divide" in fails(capsys, [*ABLATE, "--device_batch_size", "4"], 2)
    Path("study.yaml").write_text(study.replace("tiny", "none"))
    assert "none.yaml" in fails(capsys, ABLATE, 2)
    Path("study.yaml").write_text(study + "colour: red\n")
    fails(capsys, ABLATE, 2)
    Path("study.yaml").write_text("base: tiny.yaml\n")
    assert "axes: there is none" in fails(capsys, ABLATE, 2)
    Path("study.yaml").write_text(study.replace("[3]", "[4]") + "settings: {data.root: null}\n")
    assert "give --settings.data.root DIR" in fails(capsys, ABLATE, 2)
    Path("study.yaml").write_text(study.replace("[3]", "[4]") + "paper: nope.csv\n")
    assert "there is no nope.csv" in fails(capsys, ABLATE, 2)
    assert not Path("study").exists()
    assert "holds no study" in fails(capsys, ["ablate", "report", "study"], 2)


@pytest.mark.slow
def test_ablate_refuses_what_fit_would_refuse_before_anything_is_made(base, capsys, data_root):
    common = f"base: tiny.yaml\ntotal_batch_size: 4\nsettings: {{data.root: {data_root}}}\n"
    Path("study.yaml").write_text(common + "axes: {model.norm: [gn, gnn]}\nprotocol: 9x9\n")
    line = fails(capsys, ABLATE, 2)
    assert "gnn-seed0: model.norm: got gnn; expected one of gn, bn, " in line
    assert "gn-seed0: data.protocol: got 9x9; expected one of 10x3, 10x1, 1x1" in line
    Path("elsewhere").mkdir()
    Path("study.yaml").unlink()
    Path("elsewhere/study.yaml").write_text(common + "axes: {model.norm: [gn, bn], model.depht: [14]}\n")
    Path("tiny.yaml").rename("elsewhere/tiny.yaml")  # a base beside the study is found
    line = fails(capsys, ["ablate", "--config", "elsewhere/study.yaml"], 2)
    assert "all cells: model.depht is no setting of `videogn fit`; did you mean model.depth?" in line
    Path("elsewhere/tiny.yaml").rename("tiny.yaml")
    Path("study.yaml").write_text(common + "axes: {model.norm: [gn]}\n")
    assert "cores_per_cell: got 4096" in fails(capsys, [*ABLATE, "--cores_per_cell", "4096"], 2)
    assert "what a cell takes" in fails(capsys, [*ABLATE, "--executor", "ray"], 2)
    assert not Path("study").exists()


@pytest.mark.slow
def test_ablate_takes_axes_from_the_command_line_and_a_dry_run_makes_nothing(base, capsys, data_root):
    Path("study.yaml").write_text(
        f"base: tiny.yaml\ntotal_batch_size: 4\nsettings: {{data.root: {data_root}}}\nseeds: [0]\n"
        "axes: {model.norm: [gn], norm_batch_size: [1]}\n"
    )
    words = ["--seeds", "[5, 6]", "--axes.norm_batch_size", "[4, 2]", "--axes.model.norm", "[bn, gn]", "--dry_run"]
    assert main([*ABLATE, *words]) == 0
    text = capsys.readouterr().out
    for seed in (5, 6):
        for size in (4, 2):
            assert f"bn-nb{size}-seed{seed}" in text
    assert "= gn-nb4-seed5" in text
    assert "nb1" not in text
    assert not Path("study").exists()


def test_data_synthesize_refuses_a_foreign_folder(base, capsys):
    Path("mine").mkdir()
    Path("mine/file").touch()
    assert main(["data", "synthesize", "--out", "mine", "--num_train", "8", "--num_val", "8"]) == 2
    assert "mine" in capsys.readouterr().err
    assert [p.name for p in Path("mine").iterdir()] == ["file"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:4 of 4 validation videos are training videos")
def test_a_video_that_cannot_be_decoded_stops_training_or_is_counted(base, capsys, tmp_path):
    for index in range(4):
        write_video(tmp_path / f"{index}.mp4", num_frames=20, seed=index)
    (tmp_path / "1.mp4").write_bytes(b"not a video")
    Path("list.csv").write_text("".join(f"{tmp_path}/{index}.mp4 {index % 2}\n" for index in range(4)))
    words = [*base, "--data.root", str(tmp_path), "--data.train_list", "list.csv", "--data.val_list", "list.csv"]
    line = fails(capsys, [*words, "--run_dir", "stops"], 1)
    assert "1.mp4: " in line
    assert "skip_undecodable" in line

    assert main([*words, "--run_dir", "goes_on", "--data.skip_undecodable", "1"]) == 0
    assert "1 videos skipped" in capsys.readouterr().out
    assert main(["test", "--no_report", "--run_dir", "goes_on"]) == 0
    said = capsys.readouterr().out
    result = json.loads(Path("goes_on/result.json").read_text())
    assert result["top1_of_expected"] == pytest.approx(result["top1"] * 3 / 4)
    assert "3 of 4 videos scored (1 could not be decoded: see failed_videos; as wrong ones, top-1 " in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--model.depht", "14"], "model.depht is no setting of `videogn fit`; did you mean model.depth?"),
        (
            ["--data.crop_size_px", "32"],
            "data.crop_size_px is no setting of `videogn fit`; did you mean data.crop_size?",
        ),
        (["--model.norm", "groupnorm"], "model.norm: got groupnorm; expected one of gn, bn, "),
    ],
)
def test_a_misspelt_setting_is_told_with_what_may_be_meant(base, capsys, words, says):
    assert main([*base, *words]) == 2
    assert says in capsys.readouterr().err


def test_bare_names_find_packaged_configs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert Path(find_config("i3d_gn.yaml")).name == "i3d_gn.yaml"
    assert Path(find_config("ablations/motions_batch_size.yaml")).is_file()
    (tmp_path / "i3d_gn.yaml").write_text("total_batch_size: 8\n")
    assert find_config("i3d_gn.yaml") == "i3d_gn.yaml"
    resolved = resolve_configs(["fit", "--config", "i3d_bn.yaml", "--config=motions.yaml", "-c", "i3d_gn.yaml"])
    assert [Path(word.removeprefix("--config=")).name for word in resolved] == [
        "fit", "--config", "i3d_bn.yaml", "motions.yaml", "-c", "i3d_gn.yaml",
    ]  # fmt: skip
    with pytest.raises(UsageError, match=r"no packaged one of that name: .*i3d_bn\.yaml"):
        find_config("i3d.yaml")


@pytest.mark.parametrize(
    ("words", "teaches"),
    [
        (["--help"], ["fit", "validate", "test", "predict", "ablate", "data", "weights", "models", "bench", "motions"]),
        (["plan", "--help"], ["three batch sizes", "--measure", "--json", "videogn fit --help", "Examples:"]),
        (["ablate", "--help"], ["axes:", "fixed-total", "--dry_run", "--executor", "Exit status", "Examples:"]),
        (["data", "--help"], ["synthesize", "prepare"]),
        (
            ["fit", "--help"],
            [
                "--model.norm_batch_size",
                "--data.clip_policy",
                "--total_batch_size",
                "--run_dir",
                "that share statistics",
            ],
        ),
    ],
)
def test_help_teaches(capsys, words, teaches, monkeypatch):
    monkeypatch.setattr("sys.argv", ["videogn"])
    try:
        status = main(words)
    except SystemExit as stop:
        status = stop.code
    out = capsys.readouterr().out
    assert status == 0
    assert out.startswith("usage: videogn")
    for word in teaches:
        assert word in out, word


def test_help_explains_each_norm_in_a_line_with_its_source(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    for norm in NORMS.values():
        assert any(line.startswith(f"{norm.name}: {norm.help} ({norm.source})") for line in lines), norm
        assert re.search(r".* & .* 20\d\d|.* et al\. 20\d\d|Ioffe 2017", norm.source), norm


def test_help_says_whose_statistics_are_re_estimated(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    norms = ", ".join(norm for norm in NORMS if precise_norms(norm_factory(norm)(num_features=32)))
    assert f" {norms}: re-estimate running statistics" in capsys.readouterr().out


@pytest.mark.filterwarnings("default:.*has no effect|brn is bn|frozen_bn from scratch")
def test_norms_that_would_do_nothing_in_a_run_say_so(base, capsys):
    once = ["--trainer.max_steps", "1", "--trainer.limit_val_batches", "0"]
    run = [*base, "--model.channels_per_group", "null", *once]
    assert main([*run, "--model.norm", "frozen_bn", "--run_dir", "frozen"]) == 0
    assert "frozen_bn from scratch has nothing to normalise by" in capsys.readouterr().err
    assert main([*run, "--model.norm", "brn", "--run_dir", "brn", "--precise_bn_batches", "1"]) == 0
    captured = capsys.readouterr()
    assert "brn is bn in this run: renorm.start is 5,000 and the run ends after 1 updates" in captured.err
    assert "precise_bn_batches has no effect: brn trains by its running statistics" in captured.err
    assert "none before update 5,000, in full from 40,000 and 25,000" in captured.out


def test_a_training_that_lacks_memory_names_the_command_that_says_what_fits(base, capsys, monkeypatch):
    def lacking(*_) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 MiB.")

    monkeypatch.setattr(VideoClassifier, "training_step", lacking)
    assert main([*base, "--data.num_workers", "0"]) == 3
    assert "Tried to allocate 20 MiB: --data.batch_size 1 --total_batch_size 2 is the same" in (
        error := capsys.readouterr().err
    )
    assert "or `videogn fits` with the same settings says which device batch" in error

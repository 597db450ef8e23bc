"""For which layout a file is taken: by its kernels, its saved config, its name; and what a run says of it.

The names are those of the Non-local release's README.md and of SlowFast's MODEL_ZOO.md.
"""

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.models.weights.files import caffe2_names, dump, python2_pickle, randomize, save, slowfast_names, write
from videogn.models.i3d import I3D, i3d_r50
from videogn.models.weights import WeightsError, load_weights, read_weights, write_safetensors
from videogn.models.weights.origin import MAX_CONFIG, layout_told
from videogn.training.module import VideoClassifier

SMALL = {"depth": 14, "width": 8, "num_frames": 8, "crop_size": 64, "num_classes": 5}
NEITHER = "WARNING: the file is of neither layout, nonlocal or slowfast"


def small(network: str = "i3d", layout: str = "slowfast", **more: Any) -> I3D:
    more = {"temporal_convs": network == "i3d", **SMALL, **more}
    torch.manual_seed(4)
    return randomize(i3d_r50("bn", layout=layout, **more), seed=4).eval()


def state_of(network: str) -> dict[str, Tensor]:
    """Under videogn's names: of an I3D, a C2D, SlowFast's Slow, or a 2-D network."""
    state = small("c2d" if network == "image" else "i3d" if network == "slow" else network).state_dict()
    if network == "slow":
        for name in [name for name in state if name.endswith(("conv.weight", "conv_a.weight"))]:
            frames = 3 if name.startswith(("blocks.4", "blocks.5")) and "conv_a" in name else 1
            state[name] = state[name][:, :, :1].expand(-1, -1, frames, -1, -1).contiguous()
    if network == "image":
        state = {name: tensor.squeeze(2) if tensor.ndim == 5 else tensor for name, tensor in state.items()}
    return state


def caffe2_file(path: Path, network: str = "i3d", **beside: Any) -> Path:
    return dump(path, {"blobs": caffe2_names(state_of(network), "bn"), **beside})


def slowfast_file(path: Path, network: str = "i3d", **beside: Any) -> Path:
    return save(path, {"epoch": 3, "model_state": slowfast_names(state_of(network)), **beside})


def cfg(model_name: str, arch: str | None) -> str:
    arch_line = f"  ARCH: {arch}\n" if arch else ""
    return f"BN:\n  NUM_SPLITS: 1\nMODEL:\n{arch_line}  DROPOUT_RATE: 0.5\n  MODEL_NAME: {model_name}\nNUM_GPUS: 8\n"


def notices(path: Path, layout: str, network: str = "i3d") -> tuple[str, ...]:
    """What is said of the layout; that the head is kept is left out."""
    report = load_weights(small(network, layout), read_weights(path), norm="bn", layout=layout)
    assert "head of 5 classes is kept" in report.notices[-1]
    return report.notices[:-1]


@pytest.mark.parametrize("name", ["I3D_8x8_R50.pkl", "renamed.pkl"])
def test_a_file_in_the_wrong_layout_computes_something_else_and_a_run_says_so(name, tmp_path):
    known = small(layout="slowfast")
    path = write(tmp_path / name, python2_pickle(caffe2_names(known.state_dict(), "bn")))
    x = torch.randn(2, 3, 8, 64, 64, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        expected = known(x)
    for layout in ("slowfast", "nonlocal"):
        model = VideoClassifier("bn", layout=layout, weights=str(path), **SMALL)
        with torch.inference_mode():
            off = float((model.model.eval()(x) - expected).norm() / expected.norm())
        assert off < 1e-5 if layout == "slowfast" else off > 0.05, off
        assert model.weights_report is not None
        first, second, third, *_ = (*model.weights_report.notices, "")
        if name == "renamed.pkl":
            assert first.startswith(f"the file does not say its layout and is taken for {layout}, the network's")
            assert "own scores cannot be reproduced" in first
            assert second == (
                "it may be of layout nonlocal (the Non-local release's 32x2 files), of layout slowfast (SlowFast's I3D "
                "and C2D files), or of neither (the Non-local release's 8x8 files, SlowFast's files without a pool "
                "behind res2)"
            )
        elif layout == "slowfast":
            assert first == "the file is taken for layout slowfast, by its name: one of SlowFast's I3D and C2D files"
        else:
            assert first == (
                "WARNING: the weights were trained in layout slowfast, the network is nonlocal: the same parameters "
                "behind other strides and pools"
            )
            assert second == "the file's own scores cannot be reproduced here: set --model.layout slowfast"
            assert third == "its layout is told by its name: one of SlowFast's I3D and C2D files"


RELEASED = {
    "c2d_baseline_32x2_IN_pretrain_400k.pkl": "nonlocal",
    "c2d_nonlocal_32x2_IN_pretrain_400k.pkl": "nonlocal",
    "i3d_baseline_32x2_IN_pretrain_400k.pkl": "nonlocal",
    "i3d_nonlocal_32x2_IN_pretrain_400k.pkl": "nonlocal",
    "i3d_baseline_128x1_I3D_pretrain_400k.pkl": "nonlocal",
    "i3d_nonlocal_128x1_I3D_pretrain_400k.pkl": "nonlocal",
    "c2d_baseline_8x8_IN_pretrain_400k.pkl": "other",
    "c2d_nonlocal_8x8_IN_pretrain_400k.pkl": "other",
    "i3d_baseline_8x8_IN_pretrain_400k.pkl": "other",
    "i3d_nonlocal_8x8_IN_pretrain_400k.pkl": "other",
    "i3d_baseline_32x4_I3D_pretrain_400k.pkl": "other",
    "i3d_nonlocal_32x4_I3D_pretrain_400k.pkl": "other",
    "i3d_baseline_8x8_IN_pretrain_300k.pkl": "other",
    "i3d_baseline_8x8_IN_pretrain_600k_4gpu.pkl": "other",
    "i3d_baseline_8x8_IN_pretrain_300k_4gpu.pkl": "other",
    "I3D_8x8_R50.pkl": "slowfast",
    "I3D_NLN_8x8_R50.pkl": "slowfast",
    "C2D_NOPOOL_8x8_R50.pkl": "other",
}


@pytest.mark.parametrize("name", RELEASED)
def test_every_released_file_is_told_by_its_name(name, tmp_path):
    network, wrong = ("c2d", "i3d") if name.startswith(("c2d", "C2D")) else ("i3d", "c2d")
    weights = read_weights(caffe2_file(tmp_path / name, network))
    assert weights.layout == RELEASED[name]
    assert weights.layout_reason.startswith("by its name: one of ")
    for layout in ("nonlocal", "slowfast"):
        first = notices(tmp_path / name, layout, network)[0]
        if weights.layout == "other":
            assert first.startswith(NEITHER)
        else:
            assert first.startswith("the file is taken for" if layout == weights.layout else "WARNING: the weights")
    with pytest.raises(
        WeightsError, match=rf"its name says '{name}', its kernels are those of an? {wrong.upper()}: .*re"
    ):
        read_weights(caffe2_file(tmp_path / name, wrong))
    assert read_weights(caffe2_file(tmp_path / "weights.pkl", network)).layout is None
    copy = tmp_path / f"{Path(name).stem} (1).pkl"
    assert read_weights(caffe2_file(copy, network)).layout == RELEASED[name]


def test_files_of_neither_layout_are_a_start_and_no_more(tmp_path):
    path = caffe2_file(tmp_path / "i3d_baseline_8x8_IN_pretrain_400k.pkl")
    assert notices(path, "nonlocal") == (
        f"{NEITHER}, by its name: one of the Non-local release's 8x8 files",
        "it can start a training, but its own scores cannot be reproduced here (layout slowfast comes closest)",
    )


@pytest.mark.parametrize(
    "name", ["I3D_8X8_R50.pkl", "my_I3D_8x8_R50.pkl", "i3d_baseline_32x2.pkl", "SLOW.pkl", "é\n.pkl"]
)
def test_other_names_say_nothing_and_are_not_refused(name, tmp_path):
    weights = read_weights(caffe2_file(tmp_path / name))
    assert (weights.layout, weights.layout_reason) == (None, "")


@pytest.mark.parametrize("name", ["SLOWONLY_4x16_R50.pkl", "SLOWONLY_8x8_R50.pkl", "C2D_8x8_R50.pkl", "weights.pkl"])
def test_kernels_of_other_networks_are_refused(name, tmp_path):
    """SlowFast's files for AVA are named after C2D, and are of Slow."""
    for path in (caffe2_file(tmp_path / name, "slow"), slowfast_file(tmp_path / "w.pyth", "slow")):
        with pytest.raises(WeightsError, match=r"has kernel size \d in time; expected \d as in an I3D, or 1 in all"):
            read_weights(path)
    state = state_of("i3d")
    state["blocks.3.res_blocks.0.branch2.conv_c.weight"] = torch.zeros(64, 16, 3, 1, 1)
    with pytest.raises(
        WeightsError, match=r"blocks.3.res_blocks.0.branch2.conv_c.weight has kernel size 3 .* expected 1"
    ):
        read_weights(dump(tmp_path / "w.pkl", caffe2_names(state, "bn")))


@pytest.mark.parametrize("name", ["SLOWONLY_8x8_R50.pkl", "SLOW_4x16_R50.pkl", "SLOWFAST_NLN_8x8_R101.pkl"])
def test_names_of_other_networks_on_an_i3d_are_refused(name, tmp_path):
    with pytest.raises(
        WeightsError, match=rf"its name says '{name}', its kernels are those of an I3D: .* rename this one"
    ):
        read_weights(caffe2_file(tmp_path / name))


def test_files_without_statistics_stay_refused(tmp_path):
    """The 128x1 and 32x4 files are of networks whose norms were folded into scales."""
    blobs = caffe2_names(state_of("i3d"), "bn")
    blobs = {name: blob for name, blob in blobs.items() if not name.endswith(("_rm", "_riv"))}
    with pytest.raises(WeightsError, match="no running statistics"):
        read_weights(dump(tmp_path / "i3d_baseline_128x1_I3D_pretrain_400k.pkl", {"blobs": blobs}))


@pytest.mark.parametrize("key", ["cfg", "config"])
@pytest.mark.parametrize(
    ("model_name", "arch", "network", "layout"),
    [
        ("ResNet", "i3d", "i3d", "slowfast"),
        ("ResNet", "c2d", "c2d", "slowfast"),
        ("PTVResNet", "i3d", "i3d", "slowfast"),
        ("''", "i3d", "i3d", "slowfast"),
        ("ResNet_nopool", "c2d", "c2d", "other"),
        ("ResNet", "slow_c2d", "c2d", "other"),
        ("ResNet", "slow_i3d", "i3d", "other"),
        ("''", "c2d_nopool", "c2d", "other"),
        ("ResNet", "i3d_nopool", "i3d", "other"),
        ("ResNet", "2d", "c2d", "other"),
        ("resnet_video_org", None, "i3d", "nonlocal"),
        ("resnet_video", None, "i3d", "other"),
        ("MyResNet", "i3d", "i3d", None),
        ("''", "I3D", "i3d", None),
        ("MyResNet", None, "i3d", None),
    ],
)
def test_a_saved_config_tells_the_layout(model_name, arch, network, layout, key, tmp_path):
    text = cfg(model_name, arch)
    weights = read_weights(caffe2_file(tmp_path / "w.pkl", network, **{key: text}))
    assert weights.layout == layout
    assert weights.layout_reason.startswith("by its config: one of ") if layout else not weights.layout_reason
    weights = read_weights(slowfast_file(tmp_path / "checkpoint_epoch_00003.pyth", network, **{key: text}))
    assert weights.layout == (layout or "slowfast")


@pytest.mark.parametrize(
    ("model_name", "arch"),
    [
        ("SlowFast", "slowfast"),
        ("ResNet", "slow"),
        ("ResNet", "slowonly"),
        ("X3D", "x3d"),
        ("ResNet", "c2d"),
        ("''", "slow"),
    ],
)
@pytest.mark.parametrize("file", [caffe2_file, slowfast_file])
def test_configs_of_other_networks_are_refused(file, model_name, arch, tmp_path):
    said = f"{model_name}/{arch}".replace("''", "")
    message = rf"w: its config says '{said}', its kernels are those of an I3D: .* save its tensors without the config"
    with pytest.raises(WeightsError, match=message):
        read_weights(file(tmp_path / "w", cfg=cfg(model_name, arch)))


def test_config_and_name_must_agree(tmp_path):
    both = caffe2_file(tmp_path / "I3D_8x8_R50.pkl", cfg=cfg("ResNet", "i3d"))
    assert read_weights(both).layout == "slowfast"
    for name, model_name, arch in (
        ("I3D_8x8_R50.pkl", "resnet_video_org", None),
        ("i3d_baseline_8x8_IN_pretrain_400k.pkl", "resnet_video_org", None),
        ("i3d_baseline_32x2_IN_pretrain_400k.pkl", "ResNet", "i3d"),
        ("I3D_8x8_R50.pkl", "ResNet", "slow_i3d"),
    ):
        with pytest.raises(
            WeightsError, match=r"its config is that of .* files.*, its name that of .* files; expected the same"
        ):
            read_weights(caffe2_file(tmp_path / name, cfg=cfg(model_name, arch)))


def nested(levels: int) -> str:
    """Each level is nine of the one before, by aliases; with merges, an object of 9**levels entries."""
    lines = ["a0: &a0 {x: 1}"]
    for level in range(1, levels):
        lines.append(f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}], y: [*a{level - 1}]}}")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    "config",
    [
        pytest.param("x: 1\n" * MAX_CONFIG + cfg("ResNet", "slow"), id="huge"),
        pytest.param("[" * 20_000, id="deep"),
        pytest.param("a: {" * 20_000, id="deep mapping"),
        pytest.param(nested(40) + "MODEL: {<<: *a39}", id="merges without end"),
        pytest.param("MODEL: &m [*m, *m]", id="contains itself"),
        pytest.param("MODEL: !!python/object/apply:os.system [touch canary]", id="object"),
        pytest.param("MODEL: {ARCH: [slow], MODEL_NAME: {SlowFast: 1}}", id="no scalars"),
        pytest.param("[MODEL, ARCH]", id="list"),
        pytest.param("{[MODEL]: 1, ? {ARCH: 1} : 2}", id="keys"),
        pytest.param("MODEL: 1\n---\nMODEL: 2", id="two documents"),
        pytest.param(f"%YAML {'9' * 9000}.1\n---\nMODEL: 1", id="version"),
        pytest.param('"\\UFFFFFFFF"', id="no character"),
        pytest.param("\0\ud800", id="no text"),
        pytest.param("", id="empty"),
        pytest.param(b"MODEL: {ARCH: slow}", id="bytes"),
        pytest.param(["MODEL"], id="no string"),
        pytest.param({"MODEL": {"ARCH": "slow"}}, id="mapping"),
        pytest.param(np.zeros(3), id="array"),
    ],
)
def test_hostile_configs_say_nothing(config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    weights = read_weights(dump(tmp_path / "w.pkl", {"blobs": caffe2_names(state_of("i3d"), "bn"), "cfg": config}, 4))
    assert weights.layout is None
    assert not (tmp_path / "canary").exists()


def test_an_architecture_among_hostile_aliases_is_read(tmp_path):
    with pytest.raises(WeightsError, match="its config says '/slow'"):
        read_weights(caffe2_file(tmp_path / "w.pkl", cfg=nested(40) + "MODEL: {<<: *a39, ARCH: slow}"))
    path = caffe2_file(tmp_path / "w.pkl", cfg=nested(40) + "b: &b {ARCH: i3d, MODEL_NAME: ResNet}\nMODEL: *b")
    assert read_weights(path).layout == "slowfast"


YAML_PIECES = [
    "MODEL",
    "ARCH",
    "MODEL_NAME",
    "i3d",
    "slow",
    ": ",
    "\n",
    "  ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "<<",
    "- ",
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(), st.lists(st.sampled_from(YAML_PIECES)).map("".join)))
def test_any_text_is_read_or_refused(text):
    with contextlib.suppress(WeightsError):
        layout, reason = layout_told(I3D_STATE, name="w.pkl", config=text)
        assert (layout is None) == (reason == "")


I3D_STATE = state_of("i3d")


def test_kernels_without_a_time_axis_are_an_image_networks(tmp_path):
    path = caffe2_file(tmp_path / "r50_pretrain_c2_model_iter450450_clean.pkl", "image")
    assert notices(path, "nonlocal") == ("the file is taken for layout image, by its kernels, which have no time axis",)
    assert read_weights(caffe2_file(tmp_path / "w.pkl", "c2d")).layout is None


@pytest.mark.parametrize("name", ["I3D_8x8_R50.pkl", "i3d_baseline_8x8_IN_pretrain_400k.pkl", "renamed.pkl"])
def test_what_was_told_outlives_an_import(name, tmp_path):
    source = caffe2_file(tmp_path / name)
    write_safetensors(read_weights(source), tmp_path / "w.safetensors")
    for layout in ("nonlocal", "slowfast"):
        assert notices(tmp_path / "w.safetensors", layout) == notices(source, layout) != ()


def test_kinds_that_tell_their_layout_need_no_notice(tmp_path):
    path = slowfast_file(tmp_path / "I3D_8x8_R50.pyth", cfg=cfg("ResNet", "i3d"))
    assert notices(path, "slowfast") == ()
    assert notices(path, "nonlocal")[0].startswith("WARNING: the weights were trained in layout slowfast, the network")

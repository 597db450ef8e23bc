"""In which layout a video network's file was trained: what its kernels, its saved config and its name tell.

The tensors have the same names and shapes in each layout. Two releases wrote Caffe2 files; a table tells theirs apart.

Sources: the Non-local release's README.md, scripts/*.sh and lib/models (its 32x2 files are of resnet_video_org.py,
which is layout nonlocal; its 8x8 files of resnet_video.py, with a stem of stride 1 in time and a first pool of 1x3x3
without padding); SlowFast's MODEL_ZOO.md, configs/Kinetics and models/video_model_builder.py in its first and latest
versions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

import yaml
from torch import Tensor

from videogn.models.layout import block_kernels, stem_kernel
from videogn.models.weights import WeightsError
from videogn.models.weights.anatomy import anatomy, is_kernel
from videogn.models.weights.formats import STAGES, UNIT

OTHER = "other"  # the layout of networks that are in none of videogn's
MAX_CONFIG = 100_000  # characters; SlowFast's have 9,000
NETWORKS = {"c2d": "a C2D", "i3d": "an I3D"}


class Release(NamedTuple):
    """Files whose networks have one layout (None: they are no I3D and no C2D), and patterns that tell them.

    `config` matches MODEL.MODEL_NAME, a slash and MODEL.ARCH, either of which may be missing.
    """

    files: str
    layout: str | None
    name: str
    config: str


RELEASES = (  # the first that matches is meant
    Release(
        "the Non-local release's 32x2 files",
        "nonlocal",
        name=r"(c2d|i3d)_(baseline|nonlocal)_(32x2|128x1)_(IN|I3D)_pretrain_",
        config=r"resnet_video_org/$",
    ),
    Release(
        "the Non-local release's 8x8 files",
        OTHER,
        name=r"(c2d|i3d)_(baseline|nonlocal)_(8x8|32x4)_(IN|I3D)_pretrain_",
        config=r"resnet_video/$",
    ),
    Release(
        "SlowFast's I3D and C2D files",
        "slowfast",
        name=r"(C2D|I3D)(_NLN)?_\d+x\d+_R(50|101)(?!\d)",
        config=r"((PTV)?ResNet)?/(c2d|i3d)$",
    ),
    Release(
        "SlowFast's files without a pool behind res2",
        OTHER,
        name=r"(C2D|I3D)_NOPOOL_|R50_IN1K",
        config=r"ResNet_nopool/(c2d|i3d)$|.*/(slow_(c2d|i3d)|(c2d|i3d)_nopool|2d)$",
    ),
    Release("other files", None, name=r"SLOW(ONLY|FAST)?(_NLN)?_\d+x\d+_R(50|101)", config=r".*/(?!(?i:c2d|i3d)$).+"),
)
_FILES = {layout: ", ".join(each.files for each in RELEASES if each.layout == layout) for _, layout, _, _ in RELEASES}
MAY_BE = (
    f"it may be of layout nonlocal ({_FILES['nonlocal']}), of layout slowfast ({_FILES['slowfast']}), or of neither "
    f"({_FILES[OTHER]})"
)


def layout_told(tensors: Mapping[str, Tensor], *, name: str, config: str | None) -> tuple[str | None, str]:
    """Return the layout that a file's saved config or name tells, OTHER included, and how; else (None, "").

    Args:
        tensors: Under videogn's names, kernels 5-D.
        name: Of the file, without its folder.
        config: Any text that was saved beside the tensors.

    Raises:
        WeightsError: The kernels are those of no I3D and no C2D, or kernels, config and name disagree.
    """
    network, found = _network(tensors), {}
    for source, text in {"config": _architecture(config), "name": name}.items():
        release = next((each for each in RELEASES if re.match(getattr(each, source), text)), None)
        if release is None:
            continue
        says = re.search("c2d|i3d", text.lower())
        if release.layout is None or (says and says[0] != network):
            fix = "rename this one" if source == "name" else "save its tensors without the config"
            raise WeightsError(
                f"its {source} says {text[:80]!r}, its kernels are those of {NETWORKS[network]}: take another file, or "
                f"{fix} where the {source} is wrong"
            )
        found[source] = release
    if len(set(found.values())) > 1:
        raise WeightsError(
            f"its config is that of {found['config'].files}, its name that of {found['name'].files}; expected the "
            f"same: rename it where its name is wrong, or take another file"
        )
    for source, release in found.items():
        return release.layout, f"by its {source}: one of {release.files}"
    return None, ""


def _network(tensors: Mapping[str, Tensor]) -> str:
    """Return which of NETWORKS has kernels of as many frames."""
    i3d = {"blocks.0.conv.weight": stem_kernel(temporal=True)[0]}
    for stage, (index, count) in enumerate(zip(STAGES, anatomy(tensors).blocks, strict=True)):
        for block, kernel in enumerate(block_kernels(stage, count, temporal=True)):
            i3d[f"{UNIT.format(stage=index, block=block)}.branch2.conv_a.weight"] = kernel[0]
    frames = {name: tensor.shape[2] for name, tensor in tensors.items() if is_kernel(name)}
    wrong = [name for name, size in frames.items() if size != i3d.get(name, 1)]
    if wrong and set(frames.values()) != {1}:
        raise WeightsError(
            f"{wrong[0]} has kernel size {frames[wrong[0]]} in time; expected {i3d.get(wrong[0], 1)} as in an I3D, or "
            f"1 in all convolutions as in a C2D: take another file (SlowFast's SLOWONLY and AVA files are Slow's)"
        )
    return "c2d" if wrong else "i3d"


def _architecture(config: str | None) -> str:
    """Return MODEL.MODEL_NAME/MODEL.ARCH of a YAML text, as they stand there; "" of any other text."""

    def entry(node: yaml.Node | None, key: str) -> yaml.Node | None:
        pairs = node.value if isinstance(node, yaml.MappingNode) else []
        return next((value for each, value in pairs if each.value == key), None)

    if config is None or len(config) > MAX_CONFIG:
        return ""
    try:  # Nodes, not values: nothing is made of aliases, merges, tags and numbers.
        model = entry(yaml.compose(config, Loader=yaml.SafeLoader), "MODEL")
    except Exception:  # any text may follow any
        return ""
    found = [entry(model, key) for key in ("MODEL_NAME", "ARCH")]
    name, arch = (node.value if isinstance(node, yaml.ScalarNode) else "" for node in found)
    return f"{name}/{arch}" if name or arch else ""

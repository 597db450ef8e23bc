"""Weights as a safetensors file of videogn's: read back by `read_weights`, by any version."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

import videogn
from videogn.files import replacing
from videogn.models.weights import WeightsError
from videogn.models.weights.containers import OWN_KEY
from videogn.models.weights.read import Weights


def write_safetensors(weights: Weights, path: str | Path) -> None:
    """Write the tensors under videogn's names, with what they are in the metadata; whole or not at all.

    Raises:
        WeightsError: The file exists, or its folder can't be written to.
    """
    target = Path(path)
    if target.exists():
        raise WeightsError(f"{target} exists: remove it, or name another file")
    about = {
        "norm": weights.norm,
        "num_groups": weights.num_groups,
        "channels_per_group": weights.channels_per_group,
        "weight_standardization": weights.weight_standardization,
        "input": weights.input,
        "layout": weights.layout,
        "layout_reason": weights.layout_reason,
        "kind": weights.kind,
        "source": Path(weights.path).name,
        "source_sha256": weights.sha256,
        "version": videogn.__version__,
    }
    given = weights.tensors
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Tensors that share memory are refused by safetensors.
        tensors = {name: tensor.detach().clone(memory_format=torch.contiguous_format) for name, tensor in given.items()}
        with replacing(target) as partial:
            save_file(tensors, partial, metadata={"format": "pt", OWN_KEY: json.dumps(about)})
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise WeightsError(f"{target} can't be written: {getattr(error, 'strerror', None) or error}") from error

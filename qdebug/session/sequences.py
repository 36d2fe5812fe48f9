"""Which models read sequences of tokens, where in a layer's output those lie, and which positions hold none."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from qdebug.doors import Dataset
from qdebug.graph import Layer
from qdebug.measure.predictions import IGNORED


def sequence_length(data: Dataset | None) -> int:
    """How many tokens a sample has: the length of the first input of whole numbers ``[N, T]``; 0 where none is."""
    name = _tokens(data) if data is not None else None
    return 0 if name is None or data is None else data.inputs[name].shape[1]


def lies_along(layer: Layer, shape: tuple[int, ...] | None, samples: int, length: int) -> bool:
    """Whether a layer's output has an axis of so many tokens.

    Args:
        layer: the layer.
        shape: its output's for some samples: ``[N, T, C]``, ``[N, C, T]`` or ``[N·T, C]``; None where it is not known.
        samples: how many.
        length: T; 0 where the model reads no sequences.
    """
    if shape is None or length < 2:
        return False
    if len(shape) == 2:
        return shape[0] == samples * length
    return len(shape) == 3 and shape[0] == samples and shape[1 if layer.channel_axis % 3 == 2 else 2] == length


def present(data: Dataset) -> NDArray[np.bool_]:
    """Where a sample has a token, ``[N, T]``; positions that only fill it up have none.

    A mask among the inputs says so: an input of that shape with ``mask`` in its name. Without one, it is what lies
    behind a sample's last target (the label after it is :data:`IGNORED`), where one token is repeated to the end.
    """
    name = _tokens(data)
    assert name is not None
    tokens = data.inputs[name]
    for other, tensor in data.inputs.items():
        if other != name and "mask" in other.lower() and other not in data.alike and tensor.shape == tokens.shape:
            return np.asarray((tensor != 0).numpy())
    labels = data.labels
    if labels is None or labels.shape != tokens.shape:
        return np.ones(tuple(tokens.shape), dtype=bool)
    return ~_filling(tokens.numpy(), labels.numpy() != IGNORED)


def _tokens(data: Dataset) -> str | None:
    """The first input that is a sequence of whole numbers; a mask is none where there is another."""
    found = [
        name for name, tensor in data.inputs.items()
        if name not in data.alike and tensor.dim() == 2 and tensor.dtype in (torch.int64, torch.int32)
    ]  # fmt: skip
    return next((name for name in found if "mask" not in name.lower()), None)


def _filling(tokens: NDArray[np.integer], target: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Where one token is repeated to the end with no target; the token that the last target names is left in."""
    length = tokens.shape[1]
    alike = np.ones_like(target)
    alike[:, :-1] = tokens[:, :-1] == tokens[:, -1:]
    tail = np.logical_and.accumulate(alike[:, ::-1], axis=1)[:, ::-1]
    last = np.where(target.any(1), length - 1 - target[:, ::-1].argmax(1), length)  # without a target nothing is known
    behind = np.arange(length) > last[:, None] + 1
    return tail & behind

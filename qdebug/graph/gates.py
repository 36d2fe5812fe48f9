"""Activations of recurrent cells by name, with what goes into them clipped (ONNX, RNN, GRU, LSTM)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.errors import ModelError

Spelled: TypeAlias = tuple[str, float, float]
"""An activation by name, with alpha and beta."""
Function: TypeAlias = Callable[[Tensor], Tensor]

SIGMOID: Spelled = ("sigmoid", 0.0, 0.0)
TANH: Spelled = ("tanh", 0.0, 0.0)
RELU: Spelled = ("relu", 0.0, 0.0)

_PLAIN: dict[str, Function] = {
    "relu": torch.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "softsign": F.softsign, "softplus": F.softplus,
}  # fmt: skip
_SHAPED: dict[str, Callable[[Tensor, float, float], Tensor]] = {
    "affine": lambda x, alpha, beta: alpha * x + beta,
    "leakyrelu": lambda x, alpha, _: torch.where(x < 0, alpha * x, x),
    "thresholdedrelu": lambda x, alpha, _: torch.where(x > alpha, x, torch.zeros_like(x)),
    "scaledtanh": lambda x, alpha, beta: alpha * torch.tanh(beta * x),
    "hardsigmoid": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "elu": lambda x, alpha, _: torch.where(x < 0, alpha * torch.expm1(x), x),
}
DEFAULTS: dict[str, tuple[float | None, float | None]] = {
    "affine": (1.0, 0.0), "leakyrelu": (0.01, None), "thresholdedrelu": (1.0, None), "scaledtanh": (1.0, 1.0),
    "hardsigmoid": (0.2, 0.5), "elu": (1.0, None),
}  # fmt: skip
"""Alpha and beta where a node gives none; None where an activation has none."""


def function(spelled: Spelled, clip: float) -> Function:
    """An activation as a function, behind the clipping of what goes into it.

    Raises:
        ModelError: there is no such activation.
    """
    name, alpha, beta = spelled
    shaped = _SHAPED.get(name)
    run = _PLAIN.get(name) if shaped is None else lambda x: shaped(x, alpha, beta)
    if run is None:
        known = ", ".join((*_PLAIN, *_SHAPED))
        raise ModelError(f"There is no activation '{name}' for recurrent operators", do=f"Known: {known}.")
    return (lambda x: run(x.clamp(-clip, clip))) if clip > 0 else run

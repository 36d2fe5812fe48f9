"""Activations: static ranges from calibration, or dynamic ones from the values at hand."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from qdebug.formats import find
from qdebug.quantize.layout import flat
from qdebug.quantize.qparams import QParams, choose_qparams
from qdebug.quantize.ranges import minmax
from qdebug.quantize.rounding import cast, fake_quantize
from qdebug.recipes import TensorPlan


def is_dynamic(plan: TensorPlan) -> bool:
    """Whether the plan takes ranges from the values at hand: it needs no calibration."""
    return find(plan.format).is_integer and (plan.dynamic or plan.granularity == "token")


def dynamic_qparams(x: Tensor, plan: TensorPlan) -> QParams:
    """The grid that a runtime would choose for these values: min-max, whatever range method the plan names.

    Per tensor it is one range per *sample* (axis 0), which is what a runtime does at batch size 1: results must not
    depend on how samples are put into batches. Per token it is one range per vector along the last axis. NaN and ±Inf
    set no range.

    Args:
        x: a batch ``[N, …]``.
        plan: a plan that :func:`is_dynamic`.

    Returns:
        Scales of shape ``[N, 1]``, or ``[tokens, 1]`` in row-major order.
    """
    if plan.granularity == "token":
        matrix = x.reshape(-1, x.shape[-1])
    else:
        dense = flat(x) if x.stride(0) * x.shape[0] == x.numel() else None  # one sample after another in memory
        matrix = (x if dense is None else dense).reshape(x.shape[0], -1)
    return choose_qparams(*minmax(matrix), find(plan.format), plan.symmetric)


class Activate(Protocol):
    """Quantizes batches of one activation."""

    def __call__(self, x: Tensor, out: Tensor | None = None) -> Tensor:
        """The batch ``[N, …]`` as the plan lets it through, written to ``out`` where one is given (may be ``x``)."""
        ...


def activation_quantizer(plan: TensorPlan, qparams: QParams | None = None) -> Activate:
    """What a plan does to an activation, decided once for all batches.

    Args:
        plan: the activation's plan.
        qparams: the calibrated grid of a static integer plan; ignored by float and dynamic plans.
    """
    fmt = find(plan.format)
    if not fmt.is_integer:
        return lambda x, out=None: cast(x, fmt, out)
    if is_dynamic(plan):
        return lambda x, out=None: fake_quantize(x, dynamic_qparams(x, plan), out) if x.numel() else x
    if qparams is None:
        raise ValueError("a static activation needs qparams from calibration")
    return lambda x, out=None: fake_quantize(x, qparams, out)


def fake_quantize_activation(x: Tensor, plan: TensorPlan, qparams: QParams | None = None) -> Tensor:
    """An activation as the plan lets it through.

    Args:
        x: a batch ``[N, …]``.
        plan: the activation's plan.
        qparams: the calibrated grid of a static integer plan; ignored by float and dynamic plans.

    Returns:
        The shape, dtype and (where dense) strides of ``x``; ``x`` itself for fp32.
    """
    return activation_quantizer(plan, qparams)(x)

"""Formats against each other on the same values."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from qdebug.formats import find
from qdebug.measure.crest import E2M1, E2M3, E4M3, MX_OVERHEAD, NV_OVERHEAD, crest_factors, theoretical_crossing
from qdebug.measure.rate_distortion import rate_distortion
from qdebug.measure.split import decibels
from qdebug.quantize import (
    Grid,
    choose_grid,
    dynamic_grid,
    fake_quantize_activation,
    is_dynamic,
    is_static,
    quantize_weight,
)
from qdebug.quantize.hadamard import rotate
from qdebug.quantize.ranges import minmax
from qdebug.recipes import TensorPlan
from qdebug.results import CrestPair, CrestView, FormatRow
from qdebug.targets import stored_bits

SEED = 0
"""Of the rotation's signs."""

_BINS = 256
_STEP = 0.25
_FINE = 1024
"""Bins in which blocks below a crossing are counted."""
_PAIRS = {
    32: (("mxint8", "mxfp8_e4m3", 8, E4M3), ("mxint6", "mxfp6_e2m3", 6, E2M3), ("mxint4", "mxfp4", 4, E2M1)),
    16: (("nvint4", "nvfp4", 4, E2M1),),
}


Calibrated = Callable[[TensorPlan], Grid]
"""The grid that calibration gives a static plan."""


def quantized(
    x: Tensor, plan: TensorPlan, tensor: str, calibrated: Calibrated | None = None
) -> tuple[Tensor, Grid | None]:
    """A matrix ``[R, C]`` as a weight or an activation of that plan, and its grid (None for a cast).

    An activation is taken for one sample. A static range is the calibrated one, or, where nothing was calibrated, that
    of the values at hand.
    """
    if tensor == "weight":
        return quantize_weight(x, plan)
    sample = x.unsqueeze(0)
    if is_static(plan) and calibrated is not None:
        grid = calibrated(plan)
    elif is_static(plan):
        low, high = (end.view(()) for end in minmax(x.reshape(1, -1)))
        grid = choose_grid(low, high, plan)
    else:
        grid = dynamic_grid(sample, plan) if is_dynamic(plan) else None
    return fake_quantize_activation(sample, plan, grid)[0], grid


def contest(
    x: Tensor,
    plans: Mapping[str, TensorPlan],
    tensor: str,
    shape: tuple[int, int],
    step: Callable[[int, int, str], None] = lambda done, of, what: None,
    calibrated: Calibrated | None = None,
) -> tuple[tuple[FormatRow, ...], int]:
    """Every format's error on the same matrix, as it is and rotated; the least error first.

    Args:
        x: ``[R, C]`` float32; rows that groups and blocks lie along.
        plans: by notation.
        tensor: ``weight`` or ``activation``.
        shape: rows and columns of the whole tensor, of which ``x`` may be a part: its values share what is stored.
        step: called before each format.
        calibrated: what gives static activations their range; rotated values take their own.

    Returns:
        The rows, and how many values of a row the rotation mixes.
    """
    turned, block = rotate(torch.where(torch.isfinite(x), x, 0.0), SEED)  # NaN would spread over its block
    found, values = [], max(shape[0] * shape[1], 1)
    for done, (notation, plan) in enumerate(plans.items()):
        step(done, len(plans), f"trying {notation}")
        form = find(plan.format)
        found.append(FormatRow(
            notation=notation, format=plan.format, family=form.family, bits=stored_bits(*shape, plan) / values,
            sqnr_db=sqnr(x, quantized(x, plan, tensor, calibrated)[0]),
            rotated_sqnr_db=sqnr(turned, quantized(turned, plan, tensor)[0]) if block > 1 else None,
        ))  # fmt: skip
    best = float("inf")
    return tuple(sorted(found, key=lambda row: -(best if row.sqnr_db is None else row.sqnr_db))), block


def sqnr(x: Tensor, xq: Tensor) -> float | None:
    """Signal to quantization noise in decibels over the finite values of ``x``; None where either power is zero.

    A value that overflows to Inf counts as if it had become 0, as in the error split.
    """
    good = torch.isfinite(x)
    value, kept = x[good].double(), xq[good].double()
    error = torch.where(torch.isfinite(kept), kept - value, value)
    return decibels(float(value.square().sum()), float(error.square().sum()))


def limit(x: Tensor, most: float = 10.0) -> tuple[tuple[float, float], ...]:
    """The rate-distortion limit for independent values with the histogram of ``x``: bits and SQNR in dB."""
    values = x[torch.isfinite(x)].double()
    if not values.numel() or float(values.min()) == float(values.max()):
        return ()
    low, high = float(values.min()), float(values.max())
    counts = torch.histc(values, _BINS, low, high).long()
    bits = torch.arange(0, most + _STEP / 2, _STEP).double().numpy()
    rate, decibel = rate_distortion(low, high, counts.numpy(), int((values == 0).sum()), bits)
    return tuple((float(one), float(two)) for one, two in zip(rate, decibel, strict=True))


def crests(x: Tensor, rows: tuple[FormatRow, ...]) -> tuple[CrestView, ...]:
    """Crest factors of MX and NV blocks, and where their integer and float formats change places."""
    measured = {row.notation: row.sqnr_db for row in rows}
    views = []
    for size, pairs in _PAIRS.items():
        drawn = crest_factors(x, size, levels=(0.5,))
        fine_bins = crest_factors(x, size, bins=_FINE)
        total = int(drawn.counts.sum())
        named = []
        for integer, float_, width, element in pairs:
            fine = size if size == 16 else None
            crossing = theoretical_crossing(width, element, NV_OVERHEAD if size == 16 else MX_OVERHEAD, fine)
            one, two = measured.get(integer), measured.get(float_)
            named.append(CrestPair(
                integer=integer, float_=float_, crossing=crossing,
                below=float(fine_bins.counts[fine_bins.edges[1:] <= crossing].sum()) / max(total, 1),
                gain_db=None if one is None or two is None else one - two,
            ))  # fmt: skip
        views.append(CrestView(
            size=size, low=float(drawn.edges[0]), high=float(drawn.edges[-1]), counts=tuple(drawn.counts.tolist()),
            median=float(drawn.quantiles[0]) if total else 0.0, pairs=tuple(named),
        ))  # fmt: skip
    return tuple(views)

"""The arithmetic of uniform quantization once more, in float64 and plain numpy: what the room is held against."""

from __future__ import annotations

import numpy as np

TINY = 2.0**-126


def qparams(rmin: float, rmax: float, bits: int, symmetric: bool) -> tuple[float, float, int, int]:
    """Scale (rounded to float32), zero point, qmin, qmax by the textbook."""
    rmin, rmax = min(rmin, 0.0), max(rmax, 0.0)
    if symmetric:
        qmin, qmax = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        scale = max(abs(rmin), abs(rmax)) / qmax
    else:
        qmin, qmax = 0, 2**bits - 1
        scale = (rmax - rmin) / (qmax - qmin)
    scale = 1.0 if scale == 0 else float(np.float32(max(scale, TINY)))
    zero_point = 0.0 if symmetric else float(np.clip(np.rint(qmin - rmin / scale), qmin, qmax))
    return scale, zero_point, qmin, qmax


def fake_quantize(x, scale, zero_point, qmin, qmax) -> np.ndarray:
    """Quantized and dequantized in float64; ``scale`` and ``zero_point`` broadcast."""
    codes = np.clip(np.rint(np.asarray(x, np.float64) / scale) + zero_point, qmin, qmax)
    return (codes - zero_point) * scale


def near_tie(x, scale, slack: float = 1e-4) -> np.ndarray:
    """Where the quotient is so near to half a step that float32 may round it to the other side."""
    quotient = np.asarray(x, np.float64) / scale
    return np.abs(np.abs(quotient - np.floor(quotient)) - 0.5) < slack

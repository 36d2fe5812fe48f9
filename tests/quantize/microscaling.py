"""Block formats once more, value by value in float64 from their documents: what the fast code is held against."""

from __future__ import annotations

import math

import numpy as np

ELEMENTS = {  # exponent bits, mantissa bits, bias, codes of the positive half that are no numbers
    "e4m3": (4, 3, 7, 1), "e5m2": (5, 2, 15, 4), "e2m3": (2, 3, 1, 0), "e3m2": (3, 2, 3, 0), "e2m1": (2, 1, 1, 0),
}  # fmt: skip
MX = {
    "mxfp8_e4m3": "e4m3", "mxfp8_e5m2": "e5m2", "mxfp6_e2m3": "e2m3", "mxfp6_e3m2": "e3m2", "mxfp4": "e2m1",
    "mxint8": 8, "mxint6": 6, "mxint4": 4,
}  # fmt: skip
NV = {"nvfp4": "e2m1", "nvint4": 4}
FORMATS = (*MX, *NV)


def magnitudes(element: str | int) -> list[float]:
    """The magnitudes of an element by code, so that the even code of two neighbours is the even place in the list."""
    if isinstance(element, int):
        return [float(code) for code in range(2 ** (element - 1))]
    exponent_bits, mantissa_bits, bias, taken = ELEMENTS[element]
    found = []
    for code in range(2 ** (exponent_bits + mantissa_bits) - taken):
        field, fraction = divmod(code, 2**mantissa_bits)
        found.append(math.ldexp((field > 0) + fraction / 2**mantissa_bits, max(field, 1) - bias))
    return found


def nearest(t: float, sizes: list[float]) -> float:
    """Half to even, saturating."""
    if math.isnan(t):
        return t
    size = min(abs(t), sizes[-1])
    above = next(i for i, level in enumerate(sizes) if level >= size)
    below = max(above - 1, 0)
    up, down = sizes[above] - size, size - sizes[below]
    place = above if up < down or (up == down and above % 2 == 0) else below
    return math.copysign(sizes[place], t) + 0.0


def shared_exponent(most: float, largest: float) -> int:
    """Section 6.3: floor(log2 max) less the exponent of the element's largest number, in the range of E8M0."""
    return max(-127, min(127, math.frexp(most)[1] - math.frexp(largest)[1])) if most else 0


def absmax(block: list[float]) -> float:
    return max((abs(value) for value in block if math.isfinite(value)), default=0.0)


def quantize(x: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The matrix ``[R, C]`` of one sample as the format has it, and the scale of each value."""
    size = 32 if name in MX else 16
    sizes = magnitudes({**MX, **NV}[name])
    rows = [[float(value) for value in row] for row in x]
    tensor = max(
        np.float32(absmax([value for row in rows for value in row]) / (sizes[-1] * 448)), np.float32(2.0**-126)
    )
    if not any(map(absmax, rows)):
        tensor = np.float32(1.0)
    values, scales = np.empty(x.shape), np.empty(x.shape)
    for r, row in enumerate(rows):
        for start in range(0, len(row), size):
            block = row[start : start + size]
            if name in MX and isinstance(MX[name], int):
                # an integer of b bits stands for code · 2^−(b − 2): its largest power of two is 1
                unit = 2.0 ** (2 - MX[name])
                scale = math.ldexp(unit, shared_exponent(absmax(block), sizes[-1] * unit))
            elif name in MX:
                scale = math.ldexp(1.0, shared_exponent(absmax(block), sizes[-1]))
            else:
                part = nearest(absmax(block) / (sizes[-1] * float(tensor)), magnitudes("e4m3"))
                scale = float(np.float32(max(part, 2.0**-9)) * tensor)
            for i, value in enumerate(block):
                values[r, start + i] = nearest(value / scale, sizes) * scale
                scales[r, start + i] = scale
    return values, scales

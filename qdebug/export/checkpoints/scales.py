"""Scales in the types that checkpoints store them in."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.formats.floats import FP8_E4M3FN
from qdebug.quantize import encode

_NEAR = 2.0**-20
"""Relative difference up to which two float32 scales count as one: products of two roundings, not another number."""


def exact(scale: Tensor, dtype: torch.dtype) -> Tensor:
    """Scales in a type of 16 bits, where all of them are exact in it; else in float32."""
    short = scale.to(dtype)
    return short if torch.equal(short.float(), scale) else scale.float()


def exponents(scale: Tensor) -> Tensor:
    """The E8M0 codes of powers of two (OCP MX 1.0, section 5.4.1); uint8 in the shape of ``scale``."""
    return (torch.frexp(scale.double())[1] - 1 + 127).to(torch.uint8)


def block_scales(scale: Tensor) -> tuple[Tensor, Tensor] | None:
    """Block scales as E4M3 numbers divided by one float32 number, as NVFP4 is stored.

    The largest block scale is tried as each number of E4M3, the largest first, until all others are numbers of E4M3,
    too, but for what two roundings to float32 do.

    Args:
        scale: positive float32, any shape.

    Returns:
        float8 E4M3 in the shape of ``scale``, and what they are divided by, ``[]``; None where no such number is.
    """
    values = torch.unique(scale).double()
    table = torch.tensor(FP8_E4M3FN.levels, dtype=torch.float64)
    for level in table[table > 0].flip(0):
        unit = (values[-1] / level).float().double()
        whole = (1 / unit).float()
        if not torch.isfinite(whole) or whole == 0:
            continue
        near = _to_e4m3((values * whole.double()).float())
        back = near.double() / whole.double()
        if bool(((back - values).abs() <= _NEAR * values).all()):
            return _to_e4m3((scale.double() * whole.double()).float()).to(torch.float8_e4m3fn), whole
    return None


def _to_e4m3(values: Tensor) -> Tensor:
    codes = encode(values, FP8_E4M3FN, saturate=True).to(torch.uint8)
    return codes.view(torch.float8_e4m3fn).float()

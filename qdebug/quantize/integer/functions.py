"""Functions of float32 numbers as ONNX Runtime approximates them: the last bit decides what becomes of ties.

Coefficients and the order of operations are MLAS's for processors with fused multiply-add (``MlasErfConstants``,
``MlasExpConstants``, ``MlasTanhConstants``); its kernels for eight and for sixteen lanes give the same bits.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.quantize.integer.fused import float32, fma, in_pieces, polynomial

_ERF_REACH, _ERF_SPLIT = float32(3.925, 0.921875)
_ERF_SMALL = float32(-5.99104969e-4, 4.99339588e-3, -2.67667342e-2, 1.12818025e-1, -3.76124859e-1, 1.28379151e-1)
_ERF_LARGE = float32(
    1.72948930e-5, -3.83208680e-4, 3.88393435e-3, -2.42545605e-2, 1.06777847e-1, 6.34846687e-1, 1.28717512e-1
)
_ERF_EXP = float32(1.38319808e-3, 8.37550033e-3, 4.16689515e-2, 1.66664466e-1, 4.99999851e-1, 1.0, 1.0)
_EXP = float32(1.37805939e-3, 8.37312452e-3, 4.16695364e-2, 1.66664720e-1, 4.99999851e-1, 1.0, 1.0)
_EXP_LOWEST, _EXP_LOWEST_BY_8 = float32(-103.9720840454, -88.3762626647949)
_PER_LOG2, _LOG2_HIGH, _LOG2_LOW = float32(1.44269504088896341, -6.93145752e-1, -1.42860677e-6)
_ROUNDING = 1.5 * 2.0**23
_TANH_REACH = 9.0
_TANH_ODD = float32(
    -2.76076847742355e-16, 2.00018790482477e-13, -8.60467152213735e-11, 5.12229709037114e-08, 1.48572235717979e-05,
    6.37261928875436e-04, 4.89352455891786e-03,
)  # fmt: skip
_TANH_EVEN = float32(1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03)
_ROOT_HALF, _TANH_SLOPE, _TANH_CUBE = float32(0.70710678118654752, 0.7978845608028654, 0.035677408136300125)


def erf(x: Tensor) -> Tensor:
    """The error function: an odd polynomial up to 0.921875, ``1 − exp(−P(x))`` beyond, flat from 3.925 on."""
    return in_pieces(_erf, x)


def gelu(x: Tensor) -> Tensor:
    """``(½ x) · (erf(x · √½) + 1)``."""
    return in_pieces(lambda piece: 0.5 * piece * (_erf(piece * _ROOT_HALF) + 1), x)


def gelu_by_tanh(x: Tensor) -> Tensor:
    """``(½ x) · (tanh(x · (c x · x + b)) + 1)`` with b = √(2/π), c = 0.044715 b; the argument without fusing."""
    return in_pieces(lambda piece: 0.5 * piece * (_tanh(piece * (_TANH_CUBE * piece * piece + _TANH_SLOPE)) + 1), x)


def tanh(x: Tensor) -> Tensor:
    """The hyperbolic tangent: ``x · P(x²) / Q(x²)``, flat from 9 on."""
    return in_pieces(_tanh, x)


def exponential(x: Tensor, lanes: int) -> Tensor:
    """The exponential of numbers that are not positive, as a softmax needs it.

    Args:
        x: float32, at most 0.
        lanes: 16 where the processor has AVX-512, 8 where it has AVX2: values that leave float32's normal numbers are
            kept by the former and become zero by the latter.
    """
    power, rest = _reduced(x.clamp_min(_EXP_LOWEST if lanes == 16 else _EXP_LOWEST_BY_8))
    found = polynomial(rest, _EXP)
    if lanes == 16:
        return (found.double() * ((power.long() + 1023) << 52).view(torch.float64)).float()
    return found * _two_to(power)


def _reduced(x: Tensor) -> tuple[Tensor, Tensor]:
    """A whole power of two and what is left of the exponent."""
    power = fma(x, _PER_LOG2, _ROUNDING) - _ROUNDING
    return power, fma(power, _LOG2_LOW, fma(power, _LOG2_HIGH, x))


def _two_to(power: Tensor) -> Tensor:
    """``2^power`` from -126 on; zero for -127."""
    return ((power.int() + 127) << 23).view(torch.float32)


def _erf(x: Tensor) -> Tensor:
    size = x.abs().clamp_max(_ERF_REACH)
    small = fma(polynomial(size * size, _ERF_SMALL), size, size)
    power, rest = _reduced(-fma(polynomial(size, _ERF_LARGE), size, size))
    large = 1 - polynomial(rest, _ERF_EXP) * _two_to(power)
    return torch.copysign(torch.where(size > _ERF_SPLIT, large, small), x)


def _tanh(x: Tensor) -> Tensor:
    inside = x.clamp(-_TANH_REACH, _TANH_REACH)
    square = inside * inside
    return polynomial(square, _TANH_ODD) * inside / polynomial(square, _TANH_EVEN)

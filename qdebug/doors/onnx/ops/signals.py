"""Signal processing and linear algebra: Fourier transforms, windows, Einsum, Det."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.registry import operator


def _complex(x: Tensor) -> Tensor:
    """A signal whose last axis is real and imaginary part (or real part alone), without that axis."""
    wide = x.double()  # transforms cancel: what should be zero is, to the last digit of the result
    return wide[..., 0] if x.shape[-1] == 1 else torch.view_as_complex(wide.contiguous())


def _transformed(x: Tensor, length: int | None, axis: int, inverse: bool, onesided: bool) -> Tensor:
    """A Fourier transform along an axis of ``x``, whose last axis is real and imaginary part."""
    signal = _complex(x)
    axis = axis % x.dim()
    if inverse and onesided:
        size = 2 * (x.shape[axis] - 1) if length is None else length
        return torch.fft.irfft(signal, size, axis).unsqueeze(-1).to(x.dtype)
    size = x.shape[axis] if length is None else length
    if onesided:
        found = torch.fft.rfft(signal if not signal.is_complex() else signal.real, size, axis)
    else:
        found = (torch.fft.ifft if inverse else torch.fft.fft)(signal, size, axis)
    return torch.view_as_real(found).to(x.dtype)


@operator("DFT", 17)
def dft_17(x: Tensor, length: Tensor | None = None, *, axis: int = 1, inverse: int = 0, onesided: int = 0) -> Tensor:
    """A discrete Fourier transform; the axis is an attribute (before opset 20)."""
    return _transformed(x, None if length is None else int(length), axis, bool(inverse), bool(onesided))


@operator("DFT", 20)
def dft(
    x: Tensor, length: Tensor | None = None, axis: Tensor | None = None, *, inverse: int = 0, onesided: int = 0
) -> Tensor:
    """A discrete Fourier transform."""
    place = -2 if axis is None else int(axis)
    return _transformed(x, None if length is None else int(length), place, bool(inverse), bool(onesided))


@operator("STFT", 17)
def stft(
    signal: Tensor, frame_step: Tensor, window: Tensor | None = None, frame_length: Tensor | None = None, *,
    onesided: int = 1,
) -> Tensor:  # fmt: skip
    """Fourier transforms of frames: ``[B, L, 1 or 2]`` to ``[B, frames, bins, 2]``."""
    size = int(frame_length) if frame_length is not None else signal.shape[1] if window is None else len(window)
    frames = signal.unfold(1, size, int(frame_step)).movedim(-1, 2)  # [B, frames, size, parts]
    if window is not None:
        frames = frames * window.reshape(-1, 1)
    return _transformed(frames, None, 2, False, bool(onesided) and signal.shape[-1] == 1)


def _window(size: Tensor, coefficients: tuple[float, ...], datatype: int, periodic: int) -> Tensor:
    """A sum of cosines over one period (or up to its end)."""
    count = int(size)
    angle = torch.arange(count, dtype=torch.float64) * (2 * math.pi / (count if periodic else max(count - 1, 1)))
    total = sum((c * torch.cos(place * angle) for place, c in enumerate(coefficients)), torch.zeros_like(angle))
    return total.to(ELEMENTS[datatype].carrier)


@operator("HannWindow", 17)
def hann_window(size: Tensor, *, output_datatype: int = 1, periodic: int = 1) -> Tensor:
    """A raised cosine."""
    return _window(size, (0.5, -0.5), output_datatype, periodic)


@operator("HammingWindow", 17)
def hamming_window(size: Tensor, *, output_datatype: int = 1, periodic: int = 1) -> Tensor:
    """A raised cosine that does not reach zero: 25/46 and 21/46."""
    return _window(size, (25 / 46, -21 / 46), output_datatype, periodic)


@operator("BlackmanWindow", 17)
def blackman_window(size: Tensor, *, output_datatype: int = 1, periodic: int = 1) -> Tensor:
    """A sum of three cosines: 0.42, 0.5 and 0.08."""
    return _window(size, (0.42, -0.5, 0.08), output_datatype, periodic)


@operator("MelWeightMatrix", 17)
def mel_weight_matrix(
    bins: Tensor, length: Tensor, rate: Tensor, lower: Tensor, upper: Tensor, *, output_datatype: int = 1
) -> Tensor:
    """Triangles, evenly spaced in mel (2595 log₁₀(1 + f/700)), over the bins of a one-sided spectrum.

    Returns:
        ``[length // 2 + 1, bins]``.
    """
    count, size = int(bins), int(length)
    low, high = (2595 * math.log10(1 + float(edge) / 700) for edge in (lower, upper))
    mel = low + torch.arange(count + 2, dtype=torch.float64) * ((high - low) / (count + 2))
    edges = ((size + 1) * 700 * (10 ** (mel / 2595) - 1)).div(int(rate), rounding_mode="floor").long()
    place = torch.arange(size // 2 + 1).unsqueeze(1)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = torch.where(place <= centre, (place - left) / (centre - left).clamp(min=1), torch.zeros(()))
    rising = torch.where(centre == left, (place == centre).to(rising.dtype), rising)
    falling = (right - place) / (right - centre).clamp(min=1)
    within = (place >= left) & (place < right) | (place == centre)
    whole = torch.where((place >= centre) & (right > centre), falling, rising)
    return torch.where(within, whole, torch.zeros(())).to(ELEMENTS[output_datatype].carrier)


@operator("Einsum", 12)
def einsum(*terms: Tensor, equation: str) -> Tensor:
    """A sum of products, as its equation says."""
    small = terms[0].dtype in (torch.float16, torch.bfloat16) or not terms[0].is_floating_point()
    return torch.einsum(equation.replace(" ", ""), *terms) if not small else _einsum_exact(equation, terms)


def _einsum_exact(equation: str, terms: tuple[Tensor, ...]) -> Tensor:
    """The same for types whose sums torch would round on the way, or cannot multiply."""
    wide = torch.float32 if terms[0].is_floating_point() else torch.int64
    return torch.einsum(equation.replace(" ", ""), *(term.to(wide) for term in terms)).to(terms[0].dtype)


@operator("Det", 11)
def det(x: Tensor) -> Tensor:
    """Determinants of the last two axes."""
    return torch.linalg.det(x)

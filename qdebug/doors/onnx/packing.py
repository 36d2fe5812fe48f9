"""Values as the bytes that a file holds: the way back from :func:`qdebug.doors.onnx.tensors.read_tensor`."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from qdebug.doors.onnx.elements import Element
from qdebug.doors.onnx.tensors import decoded


def packed(tensor: Tensor, element: Element) -> bytes:
    """The ``raw_data`` of a tensor (onnx.proto).

    Args:
        tensor: values in the element's carrier, of any shape.
        element: what they are in the file; types of less than a byte share bytes, the first in the low bits.
    """
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    if not len(flat):
        return b""
    if element.is_packed:
        flat = _joined(_codes(flat, element), element.bits)
    return flat.view(torch.uint8).numpy().tobytes()


def _codes(values: Tensor, element: Element) -> Tensor:
    """Codes of less than a byte, one a byte."""
    if not element.carrier.is_floating_point:
        return values.view(torch.uint8) & ((1 << element.bits) - 1)
    codes = torch.arange(1 << element.bits, dtype=torch.uint8)
    # by bits, so that -0 is not taken for 0
    known, order = decoded(codes, element).view(torch.int32).sort()
    places = torch.searchsorted(known, values.view(torch.int32)).clamp(max=len(known) - 1)
    if not torch.equal(known[places], values.view(torch.int32)):
        raise ValueError(f"a value is none of {element.name}")
    return codes[order][places]


def _joined(codes: Tensor, bits: int) -> Tensor:
    """Codes side by side in one stream of bits; those of six bits lie four to three bytes."""
    per, size = (4, 3) if bits == 6 else (8 // bits, 1)
    words = F.pad(codes, (0, -len(codes) % per)).reshape(-1, per).int()
    shifts = torch.arange(per, dtype=torch.int32) * bits
    whole = (words << shifts).sum(1, dtype=torch.int32)
    parts = [(whole >> 8 * place) & 255 for place in range(size)]
    return torch.stack(parts, 1).reshape(-1)[: -(-len(codes) * bits // 8)].to(torch.uint8)

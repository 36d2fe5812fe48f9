"""The weight-only layer of ONNX Runtime, ``MatMulNBits``: a weight of few bits in blocks, and floats otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from qdebug.doors.onnx.ir import Node
from qdebug.doors.onnx.ops.contrib_codes import MICROSOFT, unpacked, weight_of_nbits

_SIGNED = {2: 26, 4: 22, 8: 3}
"""Element type of signed codes by their bits."""


def is_nbits(node: Node) -> bool:
    """Whether a node is such a layer."""
    return node.op == "MatMulNBits" and node.domain == MICROSOFT


def read_nbits(node: Node, stored: Mapping[str, Tensor]) -> tuple[Tensor, Tensor, Tensor, int, int] | None:
    """What such a layer stores.

    Args:
        node: the layer.
        stored: tensors by the names of the node's inputs, where they are stored.

    Returns:
        the weight ``[in, out]`` float32; scales and zero points ``[blocks, out]`` of signed codes; the codes' element
        type and the size of a block. None where something of it is computed, is no float32, or columns have scales out
        of their order.
    """
    names = [*node.inputs, "", "", "", ""]
    if any(name and name not in stored for name in names[1:5]) or names[4]:
        return None
    rows, columns, bits, size = (int(node.attributes.get(key, 4)) for key in ("N", "K", "bits", "block_size"))  # type: ignore[arg-type]
    scales, zeros = stored[names[2]], stored.get(names[3])
    if scales.dtype != torch.float32 or bits not in _SIGNED:
        return None
    weight = weight_of_nbits(stored[names[1]], scales, zeros, None, rows, columns, bits, size)
    blocks, half = -(-columns // size), 1 << (bits - 1)
    if zeros is None:
        points = torch.zeros(rows, blocks)
    else:
        whole = zeros if zeros.is_floating_point() else unpacked(zeros.reshape(rows, -1), bits)
        points = whole.reshape(rows, -1)[:, :blocks].float() - half
    return (
        weight.T.contiguous(),
        scales.reshape(rows, blocks).T.contiguous(),
        points.T.contiguous(),
        _SIGNED[bits],
        size,
    )

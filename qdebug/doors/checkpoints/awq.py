"""AWQ checkpoints, as AutoAWQ writes them: ``qweight``, ``qzeros``, ``scales`` of 4 bits.

``gemm``: ``qweight [in, out/8]`` holds eight output features a word, at the nibbles in the order 0 2 4 6 1 3 5 7;
``qzeros [groups, out/8]`` likewise; ``scales [groups, out]``. ``gemv``: ``qweight [out, in/8]`` and ``qzeros [out, W]``
in plain order, with ``scales [out, 8·W]``, of which the last columns may be filling.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from qdebug.doors.checkpoints.bits import in_order, unpacked
from qdebug.doors.checkpoints.config import integer, one_of
from qdebug.doors.checkpoints.grids import uniform
from qdebug.doors.checkpoints.parts import SCALE_FORMATS, Parts
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.errors import ModelError

MARK = "qweight"
_WORDS = (torch.int32,)


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: the config asks for what there is no reading of.
    """
    integer(config, "w_bit", 4, among=(4,))
    bits = integer(config, "bits", 4, among=(4,))
    version = one_of(config, "version", ("gemm", "gemv"), "gemm")
    if config.get("zero_point") is False:
        raise ModelError("AWQ without zero points has no documented layout", do="Open it where it was written.")
    said = integer(config, "group_size", integer(config, "q_group_size", 128))
    scales = parts.scale("scales", (None, None))
    if not scales.numel() or scales.shape[1] % 8:
        parts.refuse("scales", f"has {scales.shape[1]} columns, no multiple of the 8 codes of a word")
    if version == "gemm":
        words = parts.get("qweight", _WORDS, (None, scales.shape[1] // 8))
        size = _size(parts, said, words.shape[0], scales.shape[0])
        codes = in_order(unpacked(words, bits, scales.shape[1])).T.contiguous()
        zero = in_order(unpacked(parts.get("qzeros", _WORDS, (len(scales), words.shape[1])), bits, scales.shape[1]))
        scale, zero = scales.T.contiguous(), zero.T.contiguous()
    else:
        words = parts.get("qweight", _WORDS, (len(scales), None))
        inputs = 8 * words.shape[1]
        size = said if said > 0 else inputs
        count = -(-inputs // size)
        if scales.shape[1] < count:
            parts.refuse("scales", f"has {scales.shape[1]} columns, too few for {count} groups")
        zeros = parts.get("qzeros", _WORDS, (len(scales), scales.shape[1] // 8))
        codes, scale, zero = unpacked(words, bits, inputs), scales[:, :count], unpacked(zeros, bits, count)
    stored = SCALE_FORMATS[parts.tensors[parts.name("scales")].dtype]
    whole = scale.shape[1] == 1
    plan, grid, codes = uniform(codes, scale, zero, 0, bits, 0 if whole else size, scales=stored)
    return StoredLinear(parts.module, plan, grid, codes)


def _size(parts: Parts, said: int, inputs: int, groups: int) -> int:
    size = said if said > 0 else inputs
    if groups * size != inputs:
        parts.refuse("scales", f"has {groups} groups; {inputs} input features in groups of {size} make another number")
    return size

"""Checkpoints of FP8 numbers: by tiles (``quant_method: fp8``, DeepSeek-V3 and Qwen3) and by rows (``fbgemm_fp8``).

``fp8``: ``weight`` float8 E4M3 ``[out, in]`` and ``weight_scale_inv``, which multiplies despite its name, one for each
tile of ``weight_block_size`` (DeepSeek-AI 2024, arXiv 2412.19437, section 3.3.2), or one scalar ``weight_scale`` where
the config gives no block. ``fbgemm_fp8``: ``weight_scale [out, 1]``, inputs one scale per token.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from qdebug.doors.checkpoints.config import one_of, two_sizes
from qdebug.doors.checkpoints.grids import by_tile, leveled
from qdebug.doors.checkpoints.parts import SCALE_FORMATS, Parts
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.errors import ModelError
from qdebug.formats import find
from qdebug.quantize import level_grid
from qdebug.recipes import TensorPlan

FP8 = "fp8_e4m3fn"
_KIND = (torch.float8_e4m3fn,)


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer of ``quant_method: fp8``.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: the config asks for what there is no reading of.
    """
    weight = parts.get("weight", _KIND, (None, None))
    rows, columns = weight.shape
    block = _block(config)
    part = "weight_scale_inv" if parts.has("weight_scale_inv") or block else "weight_scale"
    codes = weight.view(torch.uint8)
    if block is None:
        scale = parts.scale(part, (), (1,)).reshape(())
        plan, grid, codes = leveled(FP8, codes, scale, scales=_stored(parts, part))
    else:
        height, width = block
        tiles = parts.scale(part, (-(-rows // height), -(-columns // width)))
        scale = by_tile(tiles, rows, height)
        plan, grid, codes = leveled(FP8, codes, scale, width, block=block, scales=_stored(parts, part))
    scheme = one_of(config, "activation_scheme", ("dynamic", "static"), "dynamic")
    if scheme == "static":
        name = "activation_scale" if parts.has("activation_scale") else "input_scale"
        fixed = level_grid(find(FP8), parts.scale(name, (), (1,)).reshape(()))
        return StoredLinear(parts.module, plan, grid, codes, TensorPlan(FP8, range="stored"), fixed)
    if block is None:
        return StoredLinear(parts.module, plan, grid, codes, TensorPlan(FP8, dynamic=True))
    unsaid = (f"The input has a scale for each {block[1]} features of a token; here it has one for a token.",)
    return StoredLinear(parts.module, plan, grid, codes, TensorPlan(FP8, "token", dynamic=True), unsaid=unsaid)


def read_rows(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer of ``quant_method: fbgemm_fp8``.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
    """
    weight = parts.get("weight", _KIND, (None, None))
    scale = parts.scale("weight_scale", (len(weight), 1), (len(weight),)).reshape(-1, 1)
    plan, grid, codes = leveled(FP8, weight.view(torch.uint8), scale, scales=_stored(parts, "weight_scale"))
    unsaid = ()
    if config.get("activation_scale_ub") is not None:
        unsaid = (f"An input's scale is bounded by {config['activation_scale_ub']}; here it is not.",)
    return StoredLinear(parts.module, plan, grid, codes, TensorPlan(FP8, "token", dynamic=True), unsaid=unsaid)


def _block(config: Mapping[str, Any]) -> tuple[int, int] | None:
    said = config.get("weight_block_size")
    if said is None:
        return None
    found = two_sizes(said)
    if found is None:
        raise ModelError(
            f"quantization_config: 'weight_block_size' is {said!r}, no two sizes",
            file="config.json",
            do="Write the checkpoint anew with the tool that made it.",
        )
    return found


def _stored(parts: Parts, part: str) -> Any:
    return SCALE_FORMATS[parts.tensors[parts.name(part)].dtype]

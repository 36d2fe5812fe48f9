"""Checkpoints of NVIDIA ModelOpt: ``quant_algo`` FP8 and NVFP4.

FP8: ``weight`` float8 E4M3 with a scalar ``weight_scale`` and ``input_scale``. NVFP4: ``weight`` two codes a byte,
``weight_scale`` E4M3 for each 16 features, times the scalar ``weight_scale_2`` (which compressed-tensors stores as its
reciprocal, ``weight_global_scale``); ``input_scale`` is that of the whole input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from qdebug.doors.checkpoints.bits import nibbles
from qdebug.doors.checkpoints.config import entry, one_of
from qdebug.doors.checkpoints.fp8 import FP8
from qdebug.doors.checkpoints.grids import leveled
from qdebug.doors.checkpoints.parts import Parts
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.formats import find
from qdebug.quantize import level_grid
from qdebug.recipes import FLOAT, TensorPlan


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: the algorithm is another.
    """
    said = entry(config, "quantization") or config
    algorithm = one_of(said, "quant_algo", ("fp8", "nvfp4"), "")
    if algorithm == "nvfp4":
        stored = parts.get("weight", (torch.uint8,), (None, None))
        shape = (len(stored), -(-2 * stored.shape[1] // 16))
        whole = parts.scale("weight_scale_2", (), (1,)).reshape(())
        scale = parts.scale("weight_scale", shape, kinds=(torch.float8_e4m3fn,)) * whole
        plan, grid, codes = leveled("nvfp4", nibbles(stored), scale, 16)
        activation = TensorPlan("nvfp4") if parts.has("input_scale") else FLOAT
        unsaid = ("The input's scale for the whole tensor is fixed in the checkpoint; here it is that of each sample.",)
        return StoredLinear(parts.module, plan, grid, codes, activation, unsaid=unsaid if activation != FLOAT else ())
    weight = parts.get("weight", (torch.float8_e4m3fn,), (None, None))
    scale = parts.scale("weight_scale", (), (1,)).reshape(())
    plan, grid, codes = leveled(FP8, weight.view(torch.uint8), scale)
    if not parts.has("input_scale"):
        return StoredLinear(parts.module, plan, grid, codes)
    fixed = level_grid(find(FP8), parts.scale("input_scale", (), (1,)).reshape(()))
    return StoredLinear(parts.module, plan, grid, codes, TensorPlan(FP8, range="stored"), fixed)

"""What the first question would otherwise wait for."""

from __future__ import annotations

import torch

from qdebug.calibrate import Observer
from qdebug.engine.memory import keep_freed_memory
from qdebug.formats import INT8
from qdebug.measure import OutputAccumulator, SplitAccumulator, error_split
from qdebug.quantize import choose_qparams, fake_quantize_activation, quantize_weight
from qdebug.recipes import parse_plan, parse_weight_format

#: Bytes touched once at the start, so that the first edits do not wait for the kernel to hand out pages.
RESERVE = 256 * 2**20


def warm() -> None:
    """Settle the allocator and compile (or load from disk) the loops that every model needs.

    Compiling them for the first time on a machine takes seconds, loading them a fraction of one.
    """
    keep_freed_memory(reserve=RESERVE)
    images, vectors = torch.linspace(-1, 1, 2 * 4 * 8 * 8).view(2, 4, 8, 8), torch.linspace(-1, 1, 32).view(4, 8)
    grid = choose_qparams(-1.0, 1.0, INT8, False)
    for value, axis in ((images, 1), (vectors, -1)):
        Observer(axis).update(value)
        for name in ("w8a8", "w8a8-pc", "w4g4a16", "w16a8-dyn"):
            plan = parse_plan(name)
            error_split(value, *quantize_weight(value, plan.weight), plan.weight)
            quantized = fake_quantize_activation(value, plan.activation, grid)
            split = SplitAccumulator(plan.activation)
            split.add(value, quantized, None if plan.activation.dynamic else grid)
            OutputAccumulator(axis).add(value, quantized)
    for notation in ("nvfp4", "nf4"):
        plan = parse_weight_format(notation)
        error_split(vectors, *quantize_weight(vectors, plan), plan)

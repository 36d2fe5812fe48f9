"""What a format costs against copying the tensor: ratios within one run, one thread. Prints JSON.

    python -m benchmarks.formats

A float32 tensor of 4096 × 4096 is rounded to each format with the scales given (``round``, written to a tensor that is
there already), and from values to a new tensor with the scales found first (``whole``: two reads and a write at least,
so 1.5 copies; freed memory is kept, as the compute process keeps it). ``Tensor.copy_`` of the same tensor, one read and
one write, is the unit. Nothing here asserts a time.
"""

from __future__ import annotations

import json

import torch

from benchmarks.kernels import interleaved
from qdebug.engine.memory import keep_freed_memory
from qdebug.quantize import fake_quantize, quantize_weight, weight_grid
from qdebug.recipes import parse_weight_format

SIZE = 4096
NOTATIONS = (
    "int8-pc", "int4g128", "mxfp4", "nvfp4", "nf4", "mxint8", "nvint4", "fp8_e4m3fn-pc", "fp4g32", "nf4-dq", "apot4-pc",
    "ternary-pc",
)  # fmt: skip
SLOW = ("q4_0", "q4_k", "q6_k", "kmeans4", "vq2_256")


def main() -> dict[str, object]:
    """Ratios of every format."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    keep_freed_memory(reserve=2**28)
    x = torch.randn(SIZE, SIZE)
    out = torch.empty_like(x)
    actions = {"copy": lambda: out.copy_(x)}
    for notation in NOTATIONS:
        plan = parse_weight_format(notation)
        grid = weight_grid(x, plan)
        assert grid is not None
        if notation != "ternary-pc":  # whose codes are found with its scale
            actions[f"{notation} round"] = lambda grid=grid: fake_quantize(x, grid, out)
        actions[f"{notation} whole"] = lambda plan=plan: quantize_weight(x, plan)
    seconds = interleaved(actions, repeats=7)
    slow = interleaved(
        {notation: lambda n=notation: quantize_weight(x, parse_weight_format(n)) for notation in SLOW}, repeats=1
    )
    ratios = {name: round(value / seconds["copy"], 2) for name, value in (seconds | slow).items() if name != "copy"}
    return {"copy_gigabytes_per_second": round(2 * x.nbytes / seconds["copy"] / 1e9, 1), "over_copy": ratios}


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))

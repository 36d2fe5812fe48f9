"""What GPTQ of a layer costs, beside the factorization and products that it cannot do without. Prints JSON.

    python -m benchmarks.gptq

A layer of N = 1024 inputs and R = 1024 outputs, one thread. The least that GPTQ needs, with one Cholesky factor and no
inverse: N³/3 operations for the factor and R·N² for the errors that reach later columns, in products of matrices and in
the loop over columns (1.4 GFLOP); read the Hessian once (8 MB in float64) and the weight, write the values (4 MB each).

``over_asked`` is the time over that of a float32 Cholesky factor of the Hessian and one product of two matrices of its
size for each 128 columns; ``over_least`` over that of the factor and, for each 128 columns, a product of 128 columns of
the weight with 128 rows of the Hessian, which is what the update of the paper's algorithm multiplies. ``guarded``
includes the comparison with nearest rounding. ``memory`` is the most that a process held while it rounded, less what it
held before (weight, Hessian and grid among that), in units of the float64 Hessian (8 MiB).
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import torch

from benchmarks.kernels import interleaved
from benchmarks.verify_memory import PLAIN, status
from qdebug.methods.gptq import feedback_factor, gptq
from qdebug.methods.nearest import no_further_than_nearest
from qdebug.quantize import Grid, weight_grid
from qdebug.recipes import parse_weight_format

SIZE, BATCH, BLOCK = 1024, 4096, 128
FORMATS = {"int4_g128": "int4g128", "int4_per_channel": "int4-pc", "nf4_g64": "nf4g64", "mxfp4": "mxfp4"}


def main() -> dict[str, object]:
    """Ratios and memory for each format."""
    torch.set_num_threads(1)
    weight, rows, hessian = layer()
    plain = hessian.float() + 0.01 * hessian.diagonal().mean() * torch.eye(SIZE)
    grids = {name: grid_of(weight, text) for name, text in FORMATS.items()}

    def hessian_of_a_batch() -> torch.Tensor:
        return (rows.T @ rows).double()

    def guarded(grid: Grid) -> object:
        return no_further_than_nearest(weight, gptq(weight, hessian, grid), grid, hessian)

    seconds = interleaved({
        "factor": lambda: torch.linalg.cholesky(plain),
        "product": lambda: weight @ plain,
        "update": lambda: weight[:, :BLOCK] @ plain[:BLOCK],
        "feedback_factor": lambda: feedback_factor(hessian, 0.01),
        "hessian_of_a_batch": hessian_of_a_batch,
        **{name: lambda grid=grid: gptq(weight, hessian, grid) for name, grid in grids.items()},
        **{f"guarded_{name}": lambda grid=grid: guarded(grid) for name, grid in grids.items()},
    }, repeats=25)  # fmt: skip
    asked = seconds["factor"] + SIZE // BLOCK * seconds["product"]
    least = seconds["factor"] + SIZE // BLOCK * seconds["update"]
    return {
        "milliseconds": {name: round(value * 1e3, 1) for name, value in seconds.items()},
        "over_asked": {name: round(seconds[name] / asked, 3) for name in grids},
        "over_asked_guarded": {name: round(seconds[f"guarded_{name}"] / asked, 3) for name in grids},
        "over_least": {name: round(seconds[name] / least, 3) for name in grids},
        "memory": {name: apart(name) for name in grids},
    }


def layer() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """A weight, a batch of inputs that depend on each other, and their Hessian."""
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(SIZE, SIZE, generator=random) / 32
    rows = torch.randn(BATCH, SIZE, generator=random) @ torch.randn(SIZE, SIZE, generator=random)
    return weight, rows, (rows.T @ rows).double() / BATCH


def apart(name: str) -> float:
    """:func:`memory` in a process of its own, which hands back what it frees."""
    command = [sys.executable, "-m", "benchmarks.gptq", name]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **PLAIN})
    return float(ran.stdout)


def memory(name: str) -> float:
    """What GPTQ holds at most beside what it is given, in float64 Hessians; the second time, with everything loaded."""
    weight, _, hessian = layer()
    grid = grid_of(weight, FORMATS[name])
    held = 0
    for _ in range(2):
        gc.collect()
        before = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5", "utf-8")  # the peak starts anew
        gptq(weight, hessian, grid)
        held = status("VmHWM") - before
    return round(held / (8 * SIZE * SIZE), 2)


def grid_of(weight: torch.Tensor, text: str) -> Grid:
    """The grid of a weight in a format."""
    grid = weight_grid(weight, parse_weight_format(text))
    assert grid is not None
    return grid


if __name__ == "__main__":
    print(json.dumps(main(), indent=2) if len(sys.argv) < 2 else memory(sys.argv[1]))

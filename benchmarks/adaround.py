"""What an iteration of AdaRound costs, in forward and backward passes of its layer on the same batch. Prints JSON.

    python -m benchmarks.adaround [--repeats R] [--iterations I]

A pass is ``torch.nn.functional.linear`` on a batch of 1,024 rows and its backward to weight, bias and input; one
thread. ``ratio_of_1000`` is the time of 1,000 iterations over that of one pass, from the least of the repeats, which
take turns. ``quadratic`` is a layer without an activation function, fitted on all rows at once; ``behind_relu`` one
with it, fitted on the pass's rows. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F

from qdebug.engine.threads import one_thread
from qdebug.methods.adaround import adaround
from qdebug.methods.objectives import Objective, Quadratic, Sampled
from qdebug.quantize import weight_grid
from qdebug.recipes import AdaRound, parse_weight_format

SHAPES = ((64, 64), (128, 512), (256, 256), (512, 512))
ROWS = 1024


def main(arguments: Sequence[str]) -> dict[str, object]:
    """Measure layers of several sizes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--iterations", type=int, default=100)
    options = parser.parse_args(arguments)
    with one_thread():
        return {f"{high}x{wide}": _layer(high, wide, options.repeats, options.iterations) for high, wide in SHAPES}


def _layer(height: int, width: int, repeats: int, iterations: int) -> dict[str, float]:
    random = torch.Generator().manual_seed(0)
    weight, rows = (torch.randn(size, width, generator=random) for size in (height, ROWS))
    bias, grid = torch.zeros(height), weight_grid(weight, parse_weight_format("int4"))
    assert grid is not None
    gram = (rows.T @ rows / ROWS).double()[None]
    zeros = torch.zeros(height, width, dtype=torch.float64)
    aims: dict[str, Objective] = {
        "quadratic": Quadratic(weight, gram, zeros, zeros[:, 0]),
        "behind_relu": Sampled(rows[None], (rows @ weight.T).relu()[None], bias.view(1, 1, -1), (0, torch.inf), ROWS),
    }
    given = [tensor.clone().requires_grad_() for tensor in (rows, weight, bias)]
    cotangent = torch.ones(ROWS, height)

    def both() -> None:
        for _ in range(10):
            torch.autograd.grad(F.linear(*given), given, cotangent)

    fix = AdaRound(iterations=iterations)
    runs: dict[str, Callable[[], object]] = {"pass": both}
    for name, aim in aims.items():
        runs[name] = lambda aim=aim: adaround(weight, grid, aim, fix)  # type: ignore[misc]
    least = dict.fromkeys(runs, float("inf"))
    for _ in range(repeats):
        least = {name: min(least[name], _seconds(run)) for name, run in runs.items()}
    one = least["pass"] / 10
    found = {"pass_milliseconds": 1e3 * one}
    return found | {f"{name}_ratio_of_1000": least[name] / iterations * 1000 / one for name in aims}


def _seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:]), indent=2))

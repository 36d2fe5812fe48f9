"""How near the tensor kernels come to what memory allows: ratios within one run, one thread. Prints JSON.

    python -m benchmarks.kernels

Fake-quantize is measured against ``Tensor.copy_`` of the same tensor (one read, one write), the observer and the error
split against ``Tensor.sum`` (one read). Nothing here asserts a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import torch

from qdebug.calibrate import Observer
from qdebug.formats import INT4, INT8
from qdebug.measure import OutputAccumulator, SplitAccumulator
from qdebug.quantize import choose_qparams, fake_quantize, fake_quantize_activation
from qdebug.recipes import TensorPlan

OBSERVED = {"4096x4096_axis_0": ((4096, 4096), 0), "4096x4096_axis_-1": ((4096, 4096), -1),
            "256x64x32x32_axis_1": ((256, 64, 32, 32), 1), "334x1024x7x7_axis_1": ((334, 1024, 7, 7), 1)}  # fmt: skip
SIZES = {"1M": (64, 64, 16, 16), "16M": (256, 64, 32, 32)}


def main() -> dict[str, object]:
    """All ratios at all sizes."""
    torch.set_num_threads(1)
    observed = {name: observe(torch.randn(shape), axis) for name, (shape, axis) in OBSERVED.items()}
    return {"observer_over_sum": observed} | {name: measure(torch.randn(shape)) for name, shape in SIZES.items()}


def observe(x: torch.Tensor, axis: int) -> float:
    """A whole pass of a new observer over a read of the tensor."""
    seconds = interleaved({"sum": x.sum, "observer": lambda: Observer(axis).update(x)}, repeats=25)
    return round(seconds["observer"] / seconds["sum"], 3)


def measure(x: torch.Tensor) -> dict[str, float]:
    """Ratios for one tensor ``[N, C, H, W]``."""
    out = torch.empty_like(x)
    tensor = choose_qparams(x.min(), x.max(), INT8, False)
    rows = x.view(-1, 64)
    count = rows.shape[1] // 32
    low, high = torch.full((len(rows), count), -4.0), torch.full((len(rows), count), 4.0)
    group = choose_qparams(low, high, INT4, True, group_size=32)
    dynamic = TensorPlan("int8", symmetric=False, dynamic=True)
    quantized = fake_quantize(x, tensor)
    observer, split = Observer(1), SplitAccumulator(TensorPlan("int8", symmetric=False))
    output = OutputAccumulator(1)
    seconds = interleaved({
        "copy": lambda: out.copy_(x),
        "sum": x.sum,
        "fake_quantize_int8": lambda: fake_quantize(x, tensor, out),
        "fake_quantize_int4_g32": lambda: fake_quantize(rows, group, out.view(rows.shape)),
        "fake_quantize_int8_dynamic": lambda: fake_quantize_activation(x, dynamic),
        "observer": lambda: observer.update(x),
        "error_split": lambda: split.add(x, quantized, tensor),
        "output_error": lambda: output.add(x, quantized),
    })  # fmt: skip
    ratios = {f"{name}_over_copy": seconds[name] / seconds["copy"] for name in seconds if "quantize" in name}
    ratios |= {
        f"{name}_over_sum": seconds[name] / seconds["sum"] for name in ("observer", "error_split", "output_error")
    }
    nanoseconds = {f"{name}_ns_per_value": seconds[name] / x.numel() * 1e9 for name in seconds}
    return {name: round(value, 3) for name, value in (ratios | nanoseconds).items()}


def interleaved(actions: dict[str, Callable[[], object]], repeats: int = 9) -> dict[str, float]:
    """The quickest of several rounds of each action; rounds alternate, so that a slow spell hits all alike."""
    best = dict.fromkeys(actions, float("inf"))
    for _ in range(repeats + 1):  # the first round compiles and warms up
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))

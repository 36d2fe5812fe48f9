"""What the first table of layers costs as models get deeper: in float passes, one thread, one run. Prints JSON.

    python -m benchmarks.depth [100 200 400 800]

A model is as many linear layers of 8 features one behind the other, so that nearly all of the time is spent on what is
done for a layer and not on its numbers. What is printed would be the same for all depths if nothing were looked at once
for each pair of layers.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import torch
from torch import nn

from qdebug.session import open as open_model

SAMPLES = 64


def main(depths: list[int]) -> dict[str, object]:
    """Measure models of some depths."""
    torch.set_num_threads(1)
    measure(10)  # what is compiled once is compiled now
    return {str(depth): measure(depth) for depth in depths}


def measure(depth: int) -> dict[str, float]:
    """Evaluation and table of a model of so many layers, in passes of the module itself."""
    torch.manual_seed(0)
    model = nn.Sequential(*(nn.utils.parametrizations.orthogonal(nn.Linear(8, 8)) for _ in range(depth)))
    for layer in model:
        nn.utils.parametrize.remove_parametrizations(layer, "weight")
    x = torch.randn(SAMPLES, 8)
    session = open_model(model, {"input": x})
    with torch.no_grad():
        passes = min(_seconds(lambda: model(x)) for _ in range(5))
    evaluated = _seconds(lambda: session.evaluate("w8a8"))
    tabled = _seconds(lambda: session.layers("w4a8"))
    return {"evaluate": round(evaluated / passes, 1), "another table": round(tabled / passes, 1)}


def _seconds(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    print(json.dumps(main([int(one) for one in sys.argv[1:]] or [100, 200, 400, 800]), indent=2))

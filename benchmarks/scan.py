"""What looking through a checkpoint costs against reading it: ratios within one run, one thread. Prints JSON.

    python -m benchmarks.scan

A float32 and a bfloat16 file of the same 64 million weights, in the page cache. The unit is numpy's sum over the same
bytes as float32 (a memory map, mapped anew each time; for bfloat16, which numpy cannot add, the bytes still are taken
for float32, two values at a time: the most that reading could be asked for). ``statistics`` is a scan without formats,
``formats`` one with int8, int4 in groups of 128, NF4 and MXFP4; ``int8-pc`` stands for int8 in ``formats per channel``.
Each ratio is speed over speed: 1 is as fast as summing.

What has to move at least. Statistics: each byte once from the page cache, into a piece that stays in the second-level
cache; for each float32 two comparisons, four additions, a multiplication and a count, for each bfloat16 the count
alone. Formats: the piece is read once more for the scales of each format and once for its error; a value is divided,
rounded, multiplied, subtracted, squared and added for each format, and compared with 15 limits for NF4. int8 with one
scale needs the tensor's limits first: a float32 file is read twice for it; of bfloat16 the counts of the codes suffice.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from benchmarks.kernels import interleaved
from qdebug.checkpoint import scan

TENSORS, SHAPE = 4, (4096, 4096)
FORMATS = "int8,int4g128,nf4,mxfp4"
PER_CHANNEL = "int8-pc,int4g128,nf4,mxfp4"


def main() -> dict[str, object]:
    """Speed over the speed of a sum, for each file."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        return {name: _ratios(Path(folder) / name, dtype) for name, dtype in _DTYPES.items()}


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _ratios(file: Path, dtype: torch.dtype) -> dict[str, float]:
    save_file({f"layers.{i}.weight": (torch.randn(SHAPE) * 0.02).to(dtype) for i in range(TENSORS)}, file)
    size = file.stat().st_size
    actions = {
        "sum": lambda: np.memmap(file, np.float32, "r", shape=size // 4).sum(),
        "statistics": lambda: scan(file, ()),
        "formats": lambda: scan(file, FORMATS),
        "formats per channel": lambda: scan(file, PER_CHANNEL),
    }
    seconds = interleaved(actions, repeats=3)
    file.unlink()
    ratios = {name: round(seconds["sum"] / value, 3) for name, value in seconds.items() if name != "sum"}
    return {"sum_gigabytes_per_second": round(size / seconds["sum"] / 1e9, 1)} | ratios


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))

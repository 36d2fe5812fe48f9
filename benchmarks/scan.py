"""What looking through a checkpoint costs against reading it: ratios within one run, one thread. Prints JSON.

    python -m benchmarks.scan

A float32 and a bfloat16 file of the same 64 million weights, in the page cache. The unit is numpy's sum over the same
bytes, mapped anew each time: of float32 numbers, and for the bfloat16 file, whose type numpy does not have, of its
16-bit words. ``as_float32`` holds that file against a sum that takes its bytes for float32, two values at a time, the
most that reading could be asked for. ``statistics`` is a scan without formats, ``formats`` one with int8, int4 in
groups of 128, NF4 and MXFP4; ``formats_per_channel`` has int8 with a scale per channel, which needs no second pass.
Each ratio is speed over speed: 1 is as fast as summing.

What has to move at least. Statistics: each byte once from the page cache, into a piece that stays in the
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
    word = np.float32 if dtype == torch.float32 else np.uint16
    actions = {
        "sum": lambda: np.memmap(file, word, "r").sum(),
        "as_float32": lambda: np.memmap(file, np.float32, "r").sum(),
        "statistics": lambda: scan(file, ()),
        "formats": lambda: scan(file, FORMATS),
        "formats_per_channel": lambda: scan(file, PER_CHANNEL),
    }
    with np.errstate(all="ignore"):  # the header taken for numbers
        seconds = interleaved(actions, repeats=9)
    file.unlink()
    units = ("sum",) if dtype == torch.float32 else ("sum", "as_float32")
    ratios = {
        f"{name}_over_{unit}": round(seconds[unit] / seconds[name], 3)
        for unit in units for name in ("statistics", "formats", "formats_per_channel")
    }  # fmt: skip
    return {f"{unit}_gigabytes_per_second": round(size / seconds[unit] / 1e9, 1) for unit in units} | ratios


if __name__ == "__main__":
    print(json.dumps(main(), indent=2))

"""qdebug's exact sweep beside other tools' rankings: same model, same data, one thread, one run. Prints a table.

    python -m benchmarks.peers [digits-mobilenet] [--python TOOL=PATH …] [--repeats R] [--batch N]

Each tool runs in an environment of its own, .venv-interop/TOOL as ``make interop`` sets it up, or one that is named
with ``--python``; one that is not there is left out with a line that says so. Each is timed in multiples of its own
float pass over the same batches, right before and after its ranking; the repeat with the least ratio counts.
Calibrating and quantizing come before and are not counted, for no tool. Nothing here asserts a time.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.peers.table import Found, read, table

ROOT = Path(__file__).parents[2]
TOOLS = ("onnxruntime", "aimet", "nncf")
_SECONDS = 460
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


def main(arguments: list[str]) -> str:
    """The table of each named model."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", default=["digits-mobilenet"])
    parser.add_argument("--python", action="append", default=[], metavar="TOOL=PATH")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batch", type=int, default=256)
    options = parser.parse_args(arguments)
    pythons = {tool: ROOT / ".venv-interop" / tool / "bin" / "python" for tool in TOOLS}
    pythons |= {tool: Path(path) for tool, _, path in (one.partition("=") for one in options.python)}
    return "\n\n".join(compared(name, pythons, options.batch, options.repeats) for name in options.names)


def compared(name: str, pythons: dict[str, Path], batch: int, repeats: int) -> str:
    """One model's table."""
    how = [str(batch), str(repeats)]
    with tempfile.TemporaryDirectory() as folder:
        answers = {"qdebug": asked([sys.executable, "-m", "benchmarks.peers.ours", name, folder, *how])}
        given = [str(Path(folder) / file) for file in ("model.onnx", "data.npz")]
        for tool in TOOLS:
            script = ROOT / "benchmarks" / "peers" / "scripts" / f"{tool}_peer.py"
            answers[tool] = asked([str(pythons[tool]), str(script), *given, *how])
    return f"{name}\n\n{table(answers)}"


def asked(command: Sequence[str]) -> Found | str:
    """What a script tells, or why it does not."""
    if not Path(command[0]).exists():
        return "not installed: make interop, or --python TOOL=PATH"
    try:
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=_SECONDS,
            env=os.environ | _ONE_THREAD | {"CUDA_VISIBLE_DEVICES": ""},
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"took more than {_SECONDS} s"
    if ran.returncode:
        return f"failed: {(ran.stderr.strip().splitlines() or ['without a word'])[-1][:120]}"
    try:
        return read(ran.stdout)
    except ValueError as error:
        return f"failed: {error}"


if __name__ == "__main__":
    print(main(sys.argv[1:]))

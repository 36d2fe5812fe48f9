"""qdebug's own side, in a process of its own as the peers have: an exact sweep of w8a8. Prints one JSON line.

    python -m benchmarks.peers.ours MODEL FOLDER SAMPLES_PER_BATCH REPEATS

It also writes what the peers get: FOLDER/model.onnx, the float model, and FOLDER/data.npz, its evaluation data.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import torch

import qdebug
from benchmarks.exact import least_ratio, resident, swept
from qdebug.engine import ValueCache, Work
from qdebug.export import write_onnx
from qdebug.search.sensitivity import Question, sensitivity
from qdebug.search.sweep.bench import one_thread
from qdebug.search.sweep.items import items
from qdebug.search.sweep.plan import How
from qdebug.session.warm import warm

FORMAT = "w8a8"


def main(name: str, folder: Path, repeats: int) -> dict[str, object]:
    """Time the sweep, then write the model and its data."""
    warm()
    torch.set_num_threads(1)
    session = qdebug.open(name, cache=ValueCache(1 << 30))
    question = Question.of([FORMAT])
    with one_thread():
        todo = items(session, question, {}, False)
        swept(session, todo)
        seconds, own = least_ratio([swept(session, todo) for _ in range(repeats)])[0]
        peak = resident()
        rows = sensitivity(session, question, "exact", how=How(leave_one_out=True), work=Work()).rows
    write_onnx(session, "w32a32", folder / "model.onnx")
    np.savez(folder / "data.npz", **{key: value.numpy() for key, value in session.subject.data.inputs.items()})
    return {
        "version": qdebug.__version__, "seconds": seconds, "float_pass": own, "layers": len(todo),
        "measured": len(todo), "scores": {row.layer: row.exact for row in rows},
        "gains": {row.layer: row.gain for row in rows if row.gain is not None}, "peak_rss": peak,
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[4]))))

"""Running exported files: by the ONNX door, node by node, and by ONNX Runtime; and the session they must equal."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from qdebug.doors.onnx import lower_onnx, read_onnx
from qdebug.engine import Work
from qdebug.graph.calls import call
from qdebug.recipes import Recipe
from qdebug.session import Session

ALL, NONE = (
    onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
    onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
)


def by_door(path, inputs) -> dict[str, torch.Tensor]:
    """All values of a file by name, quantize and dequantize operators computed as they stand."""
    program = lower_onnx(read_onnx(path)).program
    values: dict[int, object] = {}
    for step in program.steps:
        if step.kind == "input":
            values[step.index] = torch.as_tensor(inputs[step.name])
        elif step.kind == "state":
            values[step.index] = program.state[step.index]
        else:
            values[step.index] = call(program, step.index, values)
    return {step.name: values[step.index] for step in program.steps}


def by_runtime(path, inputs, level=NONE, kept: Path | None = None) -> list[np.ndarray]:
    """ONNX Runtime's outputs; ``kept`` is where its optimized graph goes."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = level
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # products with weights in codes in float32, as they are written
    options.add_session_config_entry("session.qdq_matmulnbits_accuracy_level", "1")
    if kept is not None:
        options.optimized_model_filepath = str(kept)
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return session.run(None, {name: np.asarray(array) for name, array in inputs.items()})


def operators(path) -> list[str]:
    """The operators of a file's nodes."""
    return [node.op_type for node in onnx.load(str(path)).graph.node]


def simulated(session: Session, recipe: Recipe) -> dict[str, torch.Tensor]:
    """Every value that depends on an input, by name, as the session's engine computes it under a recipe."""
    subject = session.subject
    program, sheet = subject.program, session._preparer.sheet(recipe, Work())
    wanted = [step.index for step in program.steps if step.kind == "op" and not program.constant[step.index]]
    parts = [subject.engine.values(sheet, batch, wanted) for batch in subject.eval_batches]
    return {
        program.steps[index].name: torch.cat([part[index] for part in parts])
        for index in wanted
        if isinstance(parts[0][index], torch.Tensor)
    }


def assert_agree(found: np.ndarray, want: np.ndarray, slack: float = 1e-5) -> None:
    """Equal but for sums in another order, which may move a value that lies half-way between codes by one."""
    size, apart = np.abs(want).max(), np.abs(found - want)
    assert (apart > slack * size).mean() < 0.01
    assert apart.max() < 0.02 * size


def sqnr(found: np.ndarray, want: np.ndarray) -> float:
    """How much larger what was wanted is than the difference, in decibels."""
    return float(20 * np.log10(np.linalg.norm(want) / max(float(np.linalg.norm(found - want)), 1e-30)))

"""The small graphs, written in each format as exports are, and run in turns in ONNX Runtime."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import numpy as np
import onnx

from qdebug.engine import Work
from qdebug.errors import ModelError, QDebugError
from qdebug.export import write_onnx
from qdebug.formats import find
from qdebug.recipes import FLOAT, LayerPlan, Recipe, TensorPlan, set_layers
from qdebug.recipes.notation import is_whole
from qdebug.session.opening import open_model
from qdebug.verify.kernel_times import graphs
from qdebug.verify.kernel_times.shapes import Shape
from qdebug.verify.kernels import INTEGER
from qdebug.verify.onnx_runtime import Session

ROUNDS, WARM = 60, 5
_CODES = INTEGER | {"MatMulBnb4", "GatherBlockQuantized", "Gather"}


Ready = tuple[Session, dict[str, np.ndarray]]


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """A shape's time in a format, in seconds of a run, or why there is none.

    Attributes:
        median, low, high: over rounds, with the quartiles; less what an empty run takes.
        reason: empty where there is a time.
    """

    median: float = 0.0
    low: float = 0.0
    high: float = 0.0
    reason: str = ""


def timed(
    shape: Shape, plans: Mapping[str, LayerPlan], between: TensorPlan, threads: int, work: Work
) -> dict[str, Answer]:
    """One shape in several formats, in turns, so that what slows the machine down slows all of them.

    Each is quantized at the layer's own doors as its file would be: the input is put into codes, the output is put into
    codes and taken out again, since ONNX Runtime multiplies codes of a convolution only where its output has some.
    Where what lies ``between`` layers is quantized anyway, codes go in and out, and no conversion is counted.
    """
    with TemporaryDirectory(prefix="qdebug-") as name:
        folder = Path(name)
        graphs.empty(folder / "empty.onnx")
        graphs.write(shape, folder / "float.onnx")
        models: dict[str, Ready] = {}
        found: dict[str, Answer] = {}
        for label, plan in plans.items():
            work.check()
            try:
                models[label] = _opened(shape, plan, between, folder, threads)
            except QDebugError as error:
                found[label] = Answer(reason=error.what)
        nothing = Session(folder / "empty.onnx", threads=threads), {graphs.X: np.zeros(1, np.float32)}
        times = _rounds({"": nothing, **models}, work)
    own = statistics.median(times.pop(""))
    return found | {label: _answer(values, own) for label, values in times.items()}


def _opened(shape: Shape, plan: LayerPlan, between: TensorPlan, folder: Path, threads: int) -> Ready:
    """A shape's file in a format, in the runtime, with what it is given.

    Raises:
        QDebugError: it cannot be written, or the runtime would compute it in floats.
    """
    path = folder / "float.onnx"
    if plan != LayerPlan():
        path = folder / "quantized.onnx"
        _write(shape, plan, folder / "float.onnx", path)
        if not between.is_float32 and plan.activation == between:
            graphs.without_doors(path)
    model = Session(path, threads=threads)
    if not find(plan.weight.format).is_cast and not _CODES & set(model.operators):
        raise ModelError("ONNX Runtime computes such a layer in floats", do="Choose another format.")
    return model, graphs.feeds(path, shape)


def _write(shape: Shape, plan: LayerPlan, source: Path, path: Path) -> None:
    opened = open_model(source, graphs.data(shape))
    names = [layer.name for layer in opened.info().layers]
    if shape.op == "Gather":
        plan = LayerPlan(weight=plan.weight)
    whole = shape.op != "Gather" and is_whole(plan)
    recipe = Recipe(between=plan.activation if whole else FLOAT, bias="int32" if whole else "fp32")
    write_onnx(opened, set_layers(recipe, dict.fromkeys(names, plan)), path)


def _rounds(models: Mapping[str, Ready], work: Work) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in models}
    for number in range(WARM + ROUNDS):
        work.check()
        for name, (model, feeds) in models.items():
            seconds = model.timed(feeds)
            if number >= WARM:
                times[name].append(seconds)
    return times


def _answer(times: list[float], own: float) -> Answer:
    low, middle, high = (max(value - own, 1e-9) for value in statistics.quantiles(times, n=4, method="inclusive"))
    return Answer(middle, low, high)


def runtime_version() -> str:
    """The version of ONNX Runtime.

    Raises:
        ModelError: it is not installed.
    """
    with TemporaryDirectory(prefix="qdebug-") as folder:
        graphs.empty(Path(folder) / "empty.onnx")
        return Session(onnx.load(Path(folder) / "empty.onnx")).version

"""Float and quantized artefact timed in the same runtime, in turns."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx

from qdebug.engine import Work
from qdebug.export import write_onnx
from qdebug.recipes import Recipe, as_recipe
from qdebug.results import Latency, LayerTime, Timing
from qdebug.session import Session
from qdebug.verify.artefact import artefact
from qdebug.verify.kernels import plain_name
from qdebug.verify.runtimes import Opened, Runtimes, runtimes

ROUNDS = 40
WARM = 5
SECONDS = 12.0
"""Rounds stop here, be they as few as :data:`FEWEST`."""
FEWEST = 9
BATCH = 16


def measure_latency(
    session: Session, recipe: Recipe | str, *, threads: int = 1, batch: int = BATCH, work: Work | None = None
) -> Latency:
    """Time a recipe's file against the same model in float, in ONNX Runtime on this machine's CPU.

    Each round runs one and then the other, so that what slows the machine down slows both; the ratio is of the two runs
    of a round. Layers are timed by the runtime's own profile, in runs apart from these.

    Args:
        session: the model with its data.
        recipe: the recipe, or a preset's name.
        threads: within an operator.
        batch: samples at once, where the model takes any number.
        work: progress and cancel.

    Raises:
        ModelError: the runtime is not installed, or refuses a file.
        QDebugError: a file cannot be written.
    """
    work = work or Work()
    recipe = as_recipe(recipe)
    first = session.subject.batches(session.subject.data.first(batch))[0]
    feeds = {name: tensor.numpy() for name, tensor in first.inputs.items()}
    with artefact(session, recipe, work) as written, tempfile.TemporaryDirectory(prefix="qdebug-") as folder:
        plain = write_onnx(session, Recipe(), Path(folder) / "float.onnx", work=work)
        paths = Path(plain.path), Path(written.path)
        with runtimes(session, work) as using:
            models = [using.onnx_runtime(path, threads=threads) for path in paths]
            times = _rounds(models, feeds, work)
            layers = _layers([_profiled(using, path, feeds, threads, Path(folder)) for path in paths])
    ratios = sorted(two / one for one, two in times)
    low, middle, high = _quartiles(ratios)
    one, two = (_timing([pair[place] for pair in times]) for place in (0, 1))
    return Latency(
        runtime="onnxruntime", version=models[0].version, threads=threads, batch=first.size,
        rounds=len(times), float_=one, quantized=two, ratio=middle, ratio_low=low, ratio_high=high, layers=layers,
        finding=_finding(low, middle, high, layers),
    )  # fmt: skip


def _rounds(models: Sequence[Opened], feeds: Mapping[str, np.ndarray], work: Work) -> list[tuple[float, float]]:
    for _ in range(WARM):
        for model in models:
            model.timed(feeds)
    times: list[tuple[float, float]] = []
    end = time.perf_counter() + SECONDS
    while len(times) < ROUNDS and (len(times) < FEWEST or time.perf_counter() < end):
        work.step(len(times), ROUNDS, "timing")
        times.append((models[0].timed(feeds), models[1].timed(feeds)))
    return times


def _quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def _timing(values: Sequence[float]) -> Timing:
    low, middle, high = _quartiles(values)
    return Timing(median=middle, low=low, high=high)


Profile = dict[str, tuple[str, float]]
"""Operator and seconds of a run, by node."""


def _profiled(
    using: Runtimes, path: Path, feeds: Mapping[str, np.ndarray], threads: int, folder: Path
) -> Profile:  # fmt: skip
    """The runtime's own times, the median over some runs."""
    model = using.onnx_runtime(path, threads=threads, profile=folder / path.stem)
    for _ in range(WARM + FEWEST):
        model.timed(feeds)
    whose = _whose(path)
    spent: dict[str, list[float]] = defaultdict(list)
    kinds: dict[str, str] = {}
    for event in model.end_profile():
        node = whose(plain_name(event.name), event.op)
        spent[node].append(event.seconds)
        kinds[node] = event.op
    return {node: (kinds[node], statistics.median(times[WARM:] or times)) for node, times in spent.items()}


def _whose(path: Path) -> Callable[[str, str], str]:
    """Which of the file's nodes the runtime's node stands for.

    What it fused goes by the name of the value that it writes, or of the last of the nodes that it fused: a layer with
    the activation behind it is called after the activation.
    """
    nodes = onnx.load(path, load_external_data=False).graph.node
    makers = {name: node for node in nodes for name in node.output}
    by_name = {node.name: node for node in nodes}

    def whose(name: str, op: str) -> str:
        node = by_name.get(name) or makers.get(name)
        kinds = _KINDS.get(op)
        while node is not None and kinds and node.op_type not in kinds:
            node = next((makers[one] for one in node.input if one in makers), None)
        return node.name if node is not None else name

    return whose


_KINDS = {"Conv": ("Conv",), "FusedConv": ("Conv",), "Gemm": ("Gemm", "MatMul"), "FusedGemm": ("Gemm",)}
"""The operators in a file that the runtime's fused ones stand for."""


def _layers(profiles: Sequence[Profile]) -> tuple[LayerTime, ...]:
    """Nodes of both files, slowest first."""
    one, two = profiles
    rows = [
        LayerTime(
            name=name, kernel=(two.get(name) or one[name])[0], float_=one[name][1] if name in one else None,
            quantized=two[name][1] if name in two else None,
        )
        for name in dict.fromkeys([*two, *one])
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda row: max(row.float_ or 0.0, row.quantized or 0.0), reverse=True))


def _finding(low: float, middle: float, high: float, layers: Sequence[LayerTime]) -> str:
    if low > 1:
        slow = [row for row in layers if row.float_ is not None and row.quantized is not None]
        worst = max(slow, key=lambda row: (row.quantized or 0.0) - (row.float_ or 0.0), default=None)
        words = f"Slower than float: it takes {middle:.2f} times as long here"
        return f"{words}, most of it in {worst.name} ({worst.kernel})." if worst else f"{words}."
    if high < 1:
        return f"{1 / middle:.2f} times as fast as float here."
    return f"As fast as float here, within what this machine lets one see ({low:.2f} to {high:.2f} times as long)."

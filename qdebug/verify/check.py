"""An artefact held against its simulation: code for code, and at the metric."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from qdebug.doors.onnx import lower_onnx, read_onnx
from qdebug.engine import Batch, Work
from qdebug.errors import UsageError, near
from qdebug.measure import Meter, Predictions, compare
from qdebug.recipes import Recipe, as_recipe
from qdebug.results import Exported, RealMetric, Verified
from qdebug.results.verified import Simulation
from qdebug.search.saturation import saturation
from qdebug.session import Session
from qdebug.session.decided import Decided
from qdebug.verify.artefact import artefact
from qdebug.verify.findings import AGREEMENT, Facts, findings
from qdebug.verify.kernels import left_in_float
from qdebug.verify.runtimes import Compiled, Runtimes, runtimes
from qdebug.verify.stream import Stream

RUNTIMES = ("onnxruntime", "openvino")
SAMPLES = 256
"""Samples whose codes are compared; predictions are compared on all."""


def verify(
    session: Session, recipe: Recipe | str, *, runtime: str = "onnxruntime", simulation: Simulation = "float",
    work: Work | None = None,
) -> Verified:  # fmt: skip
    """Write a recipe as a file, run it in a runtime, and compare with the simulation.

    Args:
        session: the model with its data.
        recipe: the recipe, or a preset's name.
        runtime: ``onnxruntime`` (every quantized value is compared) or ``openvino`` (outputs and predictions only: it
            shows no codes), both on the CPU.
        simulation: which simulation is held against it at the metric: the session's own, in ``float``, or the
            ``integer`` one.
        work: progress and cancel.

    Raises:
        UsageError: there is no such runtime.
        ModelError: the runtime is not installed, or refuses the file.
        QDebugError: the file cannot be written.
    """
    check_runtime(runtime)
    work = work or Work()
    recipe = as_recipe(recipe)
    start = time.perf_counter()
    decided = session.decided(recipe, work)
    with artefact(session, recipe, work) as written, runtimes(session, work) as using:
        held = _Held(session, recipe, decided, written, simulation, using, work)
        if runtime == "openvino":
            return held.by_openvino(start)
        return held.by_onnx_runtime(start)


def check_runtime(runtime: str) -> None:
    """Refuse a runtime that is none.

    Raises:
        UsageError: it is none; the message lists near names.
    """
    if runtime not in RUNTIMES:
        raise UsageError(f"There is no runtime '{runtime}'", do=near(runtime, RUNTIMES))


class _Held:
    """One artefact and its simulation; lives as long as a call."""

    def __init__(
        self, session: Session, recipe: Recipe, decided: Decided, written: Exported, simulation: Simulation,
        using: Runtimes, work: Work,
    ) -> None:  # fmt: skip
        self.session, self.recipe, self.decided, self.written = session, recipe, decided, written
        self.simulation: Simulation = simulation
        self.using, self.work = using, work
        self.subject = session.subject

    def by_onnx_runtime(self, start: float) -> Verified:
        stream = Stream(Path(self.written.path), self.work.check, self.using)
        real, integer, session = (_Collected(self.subject.meter) for _ in range(3))
        seen, apart, size = 0, 0.0, 0.0
        for batch, labels in self._batches("comparing codes"):
            found = stream.add(batch.inputs) if seen < SAMPLES else stream.outputs(batch.inputs)
            seen += batch.count
            own = self.session.output(self.recipe, batch, self.work, remember=False)
            apart += _apart(found.float[: batch.count], own)
            size += float(own.abs().double().sum())
            real.add(found.real[: batch.count], labels)
            integer.add(found.integer[: batch.count], labels)
            session.add(own, labels)
        facts = Facts(
            rows=stream.rows(), kernels=dict(stream.runtime.operators), missing=stream.missing(),
            disturbed=stream.runtime.disturbed, float_layers=left_in_float(self.decided, stream.kernels),
            unlike=apart / size if size else apart,
        )  # fmt: skip
        simulated = (integer if self.simulation == "integer" else session).joined()
        return self._told("onnxruntime", stream.runtime.version, facts, real.joined(), simulated, start)

    def by_openvino(self, start: float) -> Verified:
        path = Path(self.written.path)
        scored = lower_onnx(read_onnx(path)).program.scored
        model = self.using.openvino(path, scored)
        real = self._by(model)
        plain: float | None = None
        simulated = self.session.predictions(self.recipe, self.work, remember=False)
        if compare(simulated, real.joined(), self.subject.meter.task).agreement < AGREEMENT:
            # whose doing it is: its rewriting of the graph for integers, or its reading of the file
            again = self._by(self.using.openvino(path, scored, rewriting=False))
            plain = compare(simulated, again.joined(), self.subject.meter.task).agreement
        facts = Facts(
            kernels=model.kernels, float_layers=left_in_float(self.decided, model.by_node), without_rewriting=plain
        )
        return self._told("openvino", model.version, facts, real.joined(), simulated, start)

    def _by(self, model: Compiled) -> _Collected:
        real = _Collected(self.subject.meter)
        for batch, labels in self._batches("running in OpenVINO"):
            found = model.run({name: tensor.numpy() for name, tensor in batch.inputs.items()})
            real.add(torch.from_numpy(found)[: batch.count], labels)
        return real

    def _batches(self, words: str) -> Iterator[tuple[Batch, Tensor | None]]:
        batches = self.subject.eval_batches
        for done, one in enumerate(self.subject.labelled(batches)):
            self.work.step(done, len(batches), words)
            yield one

    def _told(
        self, runtime: str, version: str, facts: Facts, found: Predictions, simulated: Predictions, start: float
    ) -> Verified:
        uses_integer = self.simulation == "integer" and runtime == "onnxruntime"
        floats = self.session.predictions(Recipe(), self.work, remember=False)
        task = self.subject.meter.task
        one, two = compare(floats, simulated, task), compare(floats, found, task)
        agreement = compare(simulated, found, task).agreement
        mode = "integer" if uses_integer else "float_"
        counts = [getattr(row, mode) for row in facts.rows]
        elements = sum(row.elements for row in facts.rows)
        differing = sum(count.differing for count in counts)
        return Verified(
            runtime=runtime, version=version, model=self.session.info().name, recipe=self.recipe.digest,
            opset=self.written.opset, bytes=self.written.bytes, simulation="integer" if uses_integer else "float",
            n=found.samples, agreement=agreement, max_code_difference=max((c.largest for c in counts), default=0),
            elements=elements, elements_differing=differing / elements if elements else 0.0,
            first_divergent_layer=next(
                (row.node for row, count in zip(facts.rows, counts, strict=True) if count.differing), None
            ),
            metric=RealMetric(name=one.name, float_=one.float_, simulated=one.quantized, real=two.quantized),
            layers=facts.rows, kernels=dict(facts.kernels), float_layers=facts.float_layers,
            saturation=saturation(self.session, self.decided, self.work), vnni=has_vnni(),
            unsaid=self.written.unsaid, findings=findings(facts, agreement, runtime),
            seconds=time.perf_counter() - start,
        )  # fmt: skip


class _Collected:
    """Predictions, batch after batch."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._parts: list[Predictions] = []

    def add(self, output: Tensor, labels: Tensor | None) -> None:
        self._parts.append(self._meter.predictions(output, labels))

    def joined(self) -> Predictions:
        return Predictions.join(self._parts)


def _apart(one: Tensor, two: Tensor) -> float:
    """How far two outputs are apart in all."""
    return float((one.double() - two.double()).abs().sum()) if one.shape == two.shape else float("inf")


def has_vnni() -> bool | None:
    """Whether this CPU adds products of bytes in 32 bits at once; None where that cannot be told."""
    try:
        flags = Path("/proc/cpuinfo").read_text("utf-8")
    except OSError:
        return None
    return any(word in flags for word in ("avx512_vnni", "avx_vnni", "asimddp"))

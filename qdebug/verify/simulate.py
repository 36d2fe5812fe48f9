"""A recipe scored as an integer runtime computes it, without the runtime."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from qdebug.doors.onnx import lower_onnx, read_onnx
from qdebug.engine import Work
from qdebug.measure import Predictions, compare
from qdebug.recipes import Recipe, as_recipe
from qdebug.results import Metric
from qdebug.session import Session
from qdebug.verify.artefact import artefact
from qdebug.verify.integer.plan import integer_file
from qdebug.verify.integer.walk import walk


def integer_metric(session: Session, recipe: Recipe | str, work: Work | None = None) -> Metric:
    """The metric of a recipe in the integer simulation of the file it is exported as, against the float model's.

    Codes are multiplied and added in integers and rounded as ONNX Runtime does; what the file leaves in floats is
    computed in floats.

    Raises:
        QDebugError: the recipe cannot be written as ONNX.
    """
    work = work or Work()
    recipe = as_recipe(recipe)
    meter = session.subject.meter
    parts: list[Predictions] = []
    batches = session.subject.eval_batches
    with artefact(session, recipe, work) as written:
        program = lower_onnx(integer_file(read_onnx(Path(written.path)))).program
        wanted = program.steps[program.output].name
        for done, (batch, labels) in enumerate(session.subject.labelled(batches)):
            work.step(done, len(batches), "simulating integers")
            found: list[Tensor] = []

            def look(name: str, value: Tensor, kept: list[Tensor] = found) -> Tensor:
                work.check()
                if name == wanted:
                    kept[:] = [value]
                return value

            walk(program, batch.inputs, look)
            parts.append(meter.predictions(found[0][: batch.count], labels))
    return compare(session.predictions(Recipe(), work, remember=False), Predictions.join(parts), meter.task)

"""Long jobs of every kind that a person can start and cancel; each is drawn anew, so that none is remembered."""

from __future__ import annotations

import io
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from qdebug.jobs import uploads, verbs
from qdebug.jobs.handlers import SessionHandlers
from qdebug.recipes import LayerPlan, Recipe, parse_fix, parse_plan, preset, with_fix
from qdebug.results import ModelRef

if TYPE_CHECKING:
    from qdebug.engine import Work

Job = Callable[["Work"], object]
Draw = Callable[[random.Random], Job]
NETS = ("digits-resnet", "digits-vit", "pydoc-gpt")
FIXES = ("gptq", "adaround", "adaquant", "brecq", "qat", "lwc", "awq", "svdquant", "low-rank", "hqq", "ldlq", "gpfq")


def jobs(handlers: SessionHandlers) -> dict[str, Draw]:
    """By name: what draws a job."""

    def asked(question: Callable[[random.Random], verbs.Request]) -> Draw:
        def draw(dice: random.Random) -> Job:
            request = question(dice)
            return lambda work: handlers.answer(request, work)

        return draw

    questions: dict[str, Callable[[random.Random], verbs.Request]] = {
        **{f"fix {name}": _fix(name) for name in FIXES},
        "sensitivity measured": lambda dice: verbs.GetSensitivity(_ref(dice), Recipe(), _formats(dice, 2), "exact"),
        "sensitivity predicted": lambda dice: verbs.GetSensitivity(_ref(dice), Recipe(), _formats(dice, 6)),
        "search": lambda dice: verbs.GetMixture(
            _ref(dice), Recipe(), tuple(name for name, _ in _formats(dice, 4)), "bits", confirm=3
        ),
        "diagnosis": lambda dice: verbs.GetDiagnosis(_ref(dice), _recipe(dice)),
        "shares": lambda dice: verbs.GetShares(_ref(dice), _recipe(dice)),
        "error along the depth": lambda dice: verbs.GetErrorCourse(_ref(dice), _recipe(dice)),
        "comparison": lambda dice: verbs.GetComparison(_ref(dice), _recipe(dice), _recipe(dice)),
        "export": lambda dice: verbs.GetExport(_ref(dice), _recipe(dice), "onnx"),
        "report": lambda dice: verbs.GetReport(_ref(dice), _recipe(dice), "onnxruntime"),
        "verification": lambda dice: verbs.GetVerified(_ref(dice), _recipe(dice), "onnxruntime", "float"),
        "latency": lambda dice: verbs.GetLatency(_ref(dice), _recipe(dice), 1, dice.randrange(10**6)),
        "calibration curve": lambda dice: verbs.GetCalibrationCurve(_ref(dice), _recipe(dice), 8),
        "images drawn": lambda dice: verbs.GetSampling(
            ModelRef(model="digits-ddpm"), _recipe(dice), 16, 100, 0.0, dice.randrange(10**6)
        ),
        "upload opened": lambda dice: verbs.Open(_upload(dice)),
        "upload verified": lambda dice: verbs.GetVerified(_upload(dice), _recipe(dice), "onnxruntime", "float"),
    }  # fmt: skip
    return {name: asked(question) for name, question in questions.items()} | {"sweep by two processes": _swept}


def _ref(dice: random.Random) -> ModelRef:
    return ModelRef(model=dice.choice(NETS))


def _formats(dice: random.Random, count: int) -> tuple[tuple[str, LayerPlan], ...]:
    names = dice.sample([f"w{w}a{a}" for w in range(2, 9) for a in range(3, 9)], count)
    return tuple((name, parse_plan(name)) for name in names)


def _recipe(dice: random.Random) -> Recipe:
    return preset(f"w{dice.randint(2, 8)}a{dice.randint(3, 8)}")


def _fix(name: str) -> Callable[[random.Random], verbs.Request]:
    def draw(dice: random.Random) -> verbs.Request:
        before = preset(f"w{dice.randint(3, 5)}a{dice.randint(6, 8)}")
        return verbs.GetFixTrial(_ref(dice), before, with_fix(before, parse_fix(name)))

    return draw


def _upload(dice: random.Random) -> ModelRef:
    """A stranger's file, which is parsed, and run by a runtime, in processes of their own."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    seed = np.random.default_rng(dice.randrange(2**32))
    weights = [numpy_helper.from_array(seed.normal(size=(256, 256)).astype(np.float32), f"w{n}") for n in range(12)]
    names = ["x", *(f"h{n}" for n in range(11)), "y"]
    nodes = [helper.make_node("MatMul", [names[n], f"w{n}"], [names[n + 1]], name=f"n{n}") for n in range(12)]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 256]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    data = io.BytesIO()
    np.savez(data, x=seed.normal(size=(512, 256)).astype(np.float32))
    stored = uploads.store([("net.onnx", model.SerializeToString()), ("data.npz", data.getvalue())])
    return ModelRef(model=str(stored[0]), data=str(stored[1]))


def _swept(dice: random.Random) -> Job:
    # Nothing is imported in the job: a first import is heard by no cancel, and no job of the app's imports these.
    from qdebug.search.sensitivity import Question, sensitivity
    from qdebug.search.sweep import pool  # noqa: F401
    from qdebug.search.sweep.plan import How
    from qdebug.session import open_ref

    formats = _formats(dice, 2)

    def sweep(work: Work) -> object:
        ref = ModelRef(model="digits-resnet")
        how = How(cores=2, ref=ref)
        return sensitivity(open_ref(ref, work), Question(formats, Recipe()), "exact", how=how, work=work)

    return sweep

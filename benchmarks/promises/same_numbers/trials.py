"""Sessions that ask alike: ``python -m benchmarks.promises.same_numbers.trials``. It forks, so it holds one thread."""

from __future__ import annotations

import base64
import itertools
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.promises.same_numbers.compared import apart
from qdebug.jobs import verbs
from qdebug.recipes import LayerPlan, Recipe, parse_fix, parse_plan, preset, with_fix
from qdebug.results import ModelRef, Values

TIMES = ("seconds", "forward_seconds", "plan")
"""What says how long something took."""


def questions(model: str) -> dict[str, verbs.Request]:
    """By name."""
    ref, recipe = ModelRef(model=model), preset("w4a8")
    layer = {"digits-mobilenet": "blocks.2.dw", "digits-vit": "head"}[model]
    formats: tuple[tuple[str, LayerPlan], ...] = tuple((name, parse_plan(name)) for name in ("w4a8", "w8a4"))
    found = {
        "score": verbs.GetScore(ref, recipe),
        "layers": verbs.GetLayers(ref, recipe),
        "shares": verbs.GetShares(ref, recipe),
        "detail": verbs.GetDetail(ref, recipe, layer),
        "formats": verbs.GetFormats(ref, recipe, Values(layer=layer), ("int4", "nf4", "fp8_e4m3fn")),
        "subgroups": verbs.GetSubgroups(ref, preset("w8a8")),
        "predicted": verbs.GetSensitivity(ref, Recipe(), formats),
        "bias correction": verbs.GetScore(ref, with_fix(recipe, parse_fix("bias-correction"))),
    }
    return {f"{model}: {name}": one for name, one in found.items()}


def answers(threads: int, order: int, cores: int, models: Sequence[str]) -> dict[str, bytes]:
    """Ask everything once, in a drawn order, on so many threads; sweeps by so many processes, or here for 0."""
    import torch

    torch.set_num_threads(threads)
    from qdebug.engine import Work
    from qdebug.jobs.handlers import SessionHandlers

    handlers = SessionHandlers()
    asked = [pair for model in models for pair in questions(model).items()]
    random.Random(order).shuffle(asked)
    found = {name: msgspec.msgpack.encode(untimed(handlers.answer(one, Work()))) for name, one in asked}
    return found | {"digits-mobilenet: measured": msgspec.msgpack.encode(untimed(_swept(cores)))}


def _swept(cores: int) -> object:
    import qdebug
    from qdebug.search.sensitivity import Question, sensitivity
    from qdebug.search.sweep.plan import How

    ref = ModelRef(model="digits-mobilenet")
    how = How(cores=cores, ref=ref) if cores else How()
    return sensitivity(qdebug.open(ref.model), Question.of(["w4a8"]), "exact", how=how)


def untimed(value: object) -> object:
    """A value as plain data, without what things took."""
    match value:
        case msgspec.Struct():
            return {name: untimed(getattr(value, name)) for name in value.__struct_fields__ if name not in TIMES}
        case dict():
            return {name: untimed(one) for name, one in value.items()}
        case tuple() | list():
            return [untimed(one) for one in value]
    return value


def _in_a_child(threads: int, order: int, cores: int, models: Sequence[str]) -> dict[str, bytes]:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            found = {
                name: base64.b64encode(one).decode() for name, one in answers(threads, order, cores, models).items()
            }
            with os.fdopen(writing, "w") as pipe:
                json.dump(found, pipe)
            os._exit(0)
        except BaseException as error:  # noqa: BLE001 - a child must not go on as its parent
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return {name: base64.b64decode(one) for name, one in json.loads(text).items()}


def main(times: int, seed: str, seconds: float | None, models: list[str]) -> dict[str, object]:
    """Try sessions on one thread and on two in turn, and hold each against the first on as many threads."""
    from qdebug.session.warm import warm

    warm()
    dice, until = random.Random(seed), None if seconds is None else time.monotonic() + seconds
    first: dict[int, dict[str, bytes]] = {}
    broken, differing, tried = [], 0, 0
    for threads, place in zip(itertools.cycle((1, 2)), range(times), strict=False):
        if until and tried and time.monotonic() > until:
            break
        order, cores = dice.randrange(2**32), 2 if place == times - 1 or dice.random() < 0.2 else 0
        found = _in_a_child(threads, order, cores, models)
        tried += 1
        for name, one in found.items():
            if one != first.setdefault(threads, found)[name]:
                differing += sum(a != b for a, b in zip(one, first[threads][name], strict=False)) or 1
                broken.append(f"{name} on {threads} threads, order {order}, {cores} processes: other bytes")
    between = {name: apart(one, first[2][name]) for name, one in first[1].items()} if len(first) > 1 else {}
    most = max(between, key=lambda name: between[name], default="")
    figures = {
        "one thread or two: answers that differ": sum(one > 0 for one in between.values()),
        "by at most": between.get(most, 0.0), "in": most,
    }  # fmt: skip
    return {"tried": tried, "broken": broken, "differing": differing, "answers": len(first[1]), "figures": figures}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="qdebug-promise-") as folder:
        os.environ["QDEBUG_WORKSPACE"] = str(Path(folder, "workspace"))
        print(json.dumps(main(**json.loads(sys.argv[1]))))

"""A session's layers in its formats: each shape and format timed once, and kept in the journal."""

from __future__ import annotations

import hashlib
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import msgspec

import qdebug
from qdebug.engine import Work
from qdebug.errors import ModelError
from qdebug.recipes import FLOAT, LayerPlan, TensorPlan
from qdebug.results import LayerInfo
from qdebug.search.mixed.wish import Times, plan_of
from qdebug.search.sweep.journal import Journal
from qdebug.session import Session
from qdebug.targets import find_platform
from qdebug.verify.kernel_times import timed
from qdebug.verify.kernel_times.shapes import Shape, shape_of
from qdebug.verify.kernel_times.timed import Answer, runtime_version

_RUNTIME = "onnxruntime-cpu"
_NAMES = Path("/proc/cpuinfo")


def layer_times(
    session: Session, formats: Sequence[tuple[str, LayerPlan]], *, between: TensorPlan = FLOAT, threads: int = 1,
    journal: Journal | None = None, work: Work | None = None,
) -> Times:  # fmt: skip
    """Time every layer in every format, and in float, in ONNX Runtime on this machine's CPU, one sample at a time.

    The graphs are made from shapes; nothing of the model's file is handed to the runtime. What the runtime would not
    compute in a format has no time.

    Args:
        session: the model.
        formats: name and plan of each.
        between: the plan of what lies between layers.
        threads: within an operator.
        journal: where times are kept, by machine, runtime, threads, shape and format; None keeps none.
        work: progress and cancel.

    Raises:
        ModelError: the runtime is not installed.
    """
    work, version = work or Work(), runtime_version()
    where = (machine(), version, threads, between, qdebug.__version__)
    asked: dict[Shape, dict[str, LayerPlan]] = {}
    wanted: list[tuple[LayerInfo, Shape, int, str, LayerPlan]] = []
    reasons: dict[str, list[str]] = {}
    runtime = find_platform(_RUNTIME)
    for layer, info in zip(session.subject.layers, session.info().layers, strict=True):
        try:
            shape, samples = shape_of(session, layer, info)
        except ModelError as error:
            reasons.setdefault(error.what, []).append(info.name)
            continue
        for name, plan in (("float", LayerPlan()), *formats):
            own = plan_of(info, plan)
            refused = runtime.refuses(info, own)
            if refused:
                reasons.setdefault(f"{name}: {refused}", []).append(info.name)
                continue
            label = msgspec.json.encode(own).decode()
            asked.setdefault(shape, {})[label] = own
            wanted.append((info, shape, samples, f"{name}: ", own))
    known: dict[Shape, dict[str, Answer]] = {}
    for shape, plans in asked.items():
        work.step(len(known), len(asked), "timing layers")
        known[shape] = _known(shape, plans, where, between, threads, journal, work)
    seconds: dict[tuple[str, LayerPlan], float] = {}
    for info, shape, samples, name, plan in wanted:
        answer = known[shape][msgspec.json.encode(plan).decode()]
        if answer.reason:
            reasons.setdefault(f"{name}{answer.reason}.", []).append(info.name)
        else:
            seconds[info.name, plan] = answer.median / samples
    words = f"measured here (ONNX Runtime {version}, {machine()}, {threads} thread{'s' if threads > 1 else ''})"
    return Times(seconds, words, tuple(_told(reason, names, session) for reason, names in reasons.items()))


def _known(
    shape: Shape, plans: dict[str, LayerPlan], where: object, between: TensorPlan, threads: int,
    journal: Journal | None, work: Work,
) -> dict[str, Answer]:  # fmt: skip
    """A shape's answers, those that the journal has from there."""
    keys = {label: _key(where, shape, label) for label in plans}
    found: dict[str, Answer] = {}
    for label, key in keys.items():
        kept = journal.get(key) if journal else None
        if kept is not None:
            found[label] = msgspec.msgpack.decode(kept[0], type=Answer)
    missing = {label: plan for label, plan in plans.items() if label not in found}
    if missing:
        for label, answer in timed.timed(shape, missing, between, threads, work).items():
            found[label] = answer
            if journal:
                journal.put(keys[label], msgspec.msgpack.encode(answer), answer.median)
    return found


def _key(where: object, shape: Shape, label: str) -> str:
    content = msgspec.json.encode(("kernel time", where, shape, label))
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def machine() -> str:
    """The processor's name, with the number of its cores that there are."""
    lines = _NAMES.read_text("utf-8").splitlines() if _NAMES.exists() else []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return f"{named or platform.processor() or platform.machine()} × {os.cpu_count()}"


def _told(reason: str, names: Sequence[str], session: Session) -> str:
    if len(names) == len(session.info().layers):
        return reason
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{reason.rstrip('.')} ({', '.join(names[:3])}{more})."

"""Hold the ONNX door against the backend tests that ship with ``onnx``, and write the table of operators.

``python -m docs.conformance`` rewrites docs/onnx-operators.md; ``--check`` says whether it is current; ``--only REGEX``
runs the cases whose names match and says what is wrong with each.
"""

from __future__ import annotations

import argparse
import re
import sys
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import torch
from onnx.backend.test.runner import Runner
from torch import Tensor

from qdebug.doors.onnx import from_proto, lower_onnx
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.graph.calls import call
from qdebug.graph.program import Program

PAGE = Path(__file__).parent / "onnx-operators.md"
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"
#: Categories that the debugger does not mean to run, by what a case's model holds.
OUTSIDE = {
    "training": {"Adagrad", "Adam", "Momentum", "Gradient"},
    "sequence": {
        "SequenceAt", "SequenceConstruct", "SequenceEmpty", "SequenceErase", "SequenceInsert", "SequenceLength",
        "SequenceMap", "SplitToSequence", "ConcatFromSequence",
    },
    "optional": {"Optional", "OptionalGetElement", "OptionalHasElement"},
    "string": {"StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch", "TfIdfVectorizer", "LabelEncoder"},
    "random": {"Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"},
    "image decoding": {"ImageDecoder"},
}  # fmt: skip
_NUMPY = {
    16: ml_dtypes.bfloat16, 17: ml_dtypes.float8_e4m3fn, 18: ml_dtypes.float8_e4m3fnuz, 19: ml_dtypes.float8_e5m2,
    20: ml_dtypes.float8_e5m2fnuz, 21: ml_dtypes.uint4, 22: ml_dtypes.int4, 23: ml_dtypes.float4_e2m1fn,
    24: ml_dtypes.float8_e8m0fnu, 25: ml_dtypes.uint2, 26: ml_dtypes.int2, 27: ml_dtypes.float6_e2m3fn,
    28: ml_dtypes.float6_e3m2fn,
}  # fmt: skip
_BYTES = {
    torch.bfloat16: torch.int16,
    **{e.carrier: torch.uint8 for n, e in ELEMENTS.items() if n in (17, 18, 19, 20, 24)},
}


@dataclass(frozen=True)
class Outcome:
    """What became of a case: ``passed``, ``failed``, or ``outside`` with its category."""

    name: str
    operators: tuple[str, ...]
    state: str
    detail: str = ""


def cases() -> Iterator[Any]:
    """The official node tests."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        yield from collect_testcases(None)


def run_case(case: Any) -> Outcome:
    """Run one case through the door."""
    operators = tuple(dict.fromkeys(_operators(case.model)))
    category = outside(case.model, operators)
    if category:
        return Outcome(case.name, operators, "outside", category)
    try:
        _held(case)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the case's outcome
        lines = [line for line in str(error).splitlines() if line.strip()]
        return Outcome(case.name, operators, "failed", f"{type(error).__name__}: {' / '.join(lines[:3])[:300]}")
    return Outcome(case.name, operators, "passed")


def outside(model: onnx.ModelProto, operators: Iterable[str]) -> str:
    """The category for which a case is none of ours, or nothing."""
    for value in (*model.graph.input, *model.graph.output):
        kind = value.type.WhichOneof("value")
        if kind in ("sequence_type", "optional_type", "map_type"):
            return kind.removesuffix("_type")
        if kind == "tensor_type" and value.type.tensor_type.elem_type == onnx.TensorProto.STRING:
            return "string"
    for category, names in OUTSIDE.items():
        if names.intersection(operators):
            return category
    domains = {node.domain for node in model.graph.node}
    if "ai.onnx.preview.training" in domains:
        return "training"
    return (
        "training"
        if any(one.name == "training_mode" and one.i for n in model.graph.node for one in n.attribute)
        else ""
    )


def _operators(model: onnx.ModelProto) -> Iterator[str]:
    def walk(nodes: Iterable[onnx.NodeProto]) -> Iterator[str]:
        for node in nodes:
            yield node.op_type
            for one in node.attribute:
                yield from walk(one.g.node)

    yield from walk(model.graph.node)


def _held(case: Any) -> None:
    lowered = lower_onnx(from_proto(case.model))
    elems = [value.type.tensor_type.elem_type for value in case.model.graph.output]
    for inputs, references in case.data_sets:
        feeds = {spec.name: to_torch(as_array(x)) for spec, x in zip(lowered.inputs, inputs, strict=True)}
        values = execute(lowered.program, feeds)
        got = [to_numpy(values[name], elem) for name, elem in zip(lowered.program.outputs, elems, strict=True)]
        wanted = [as_array(reference) for reference in references]
        Runner.assert_similar_outputs(ref_outputs=wanted, outputs=got, rtol=case.rtol, atol=case.atol)


def execute(program: Program, feeds: Mapping[str, Tensor]) -> dict[str, Any]:
    """All outputs of a program."""
    values: dict[int, Any] = {}
    with torch.no_grad():
        for step in program.steps:
            if step.kind == "op":
                values[step.index] = call(program, step.index, values)
            else:
                values[step.index] = feeds[step.name] if step.kind == "input" else program.state[step.index]
    return {name: values[index] for name, index in program.outputs.items()}


def as_array(value: Any) -> np.ndarray:
    """What a case gives, as an array."""
    return onnx.numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else np.asarray(value)


def to_torch(array: np.ndarray) -> Tensor:
    """An array in the form in which the door carries its values."""
    for elem, kind in _NUMPY.items():
        if array.dtype == kind:
            carrier = ELEMENTS[elem].carrier
            if carrier in _BYTES:
                raw = array.view(np.int16 if carrier == torch.bfloat16 else np.uint8)
                return torch.from_numpy(raw.copy()).view(carrier).reshape(array.shape)
            return torch.from_numpy(array.astype(str(carrier).removeprefix("torch."))).reshape(array.shape)
    return torch.from_numpy(np.ascontiguousarray(array)).reshape(array.shape).clone()


def to_numpy(tensor: Tensor, elem: int) -> np.ndarray:
    """A value as an array of the type its output declares."""
    if tensor.dtype in _BYTES:
        raw = tensor.contiguous().view(_BYTES[tensor.dtype]).numpy()
        return raw.view(_NUMPY[elem]).reshape(tensor.shape) if elem in _NUMPY else raw
    array = tensor.numpy()
    carried = elem in _NUMPY and array.dtype == np.dtype(str(ELEMENTS[elem].carrier).removeprefix("torch."))
    return array.astype(_NUMPY[elem]) if carried else array


def table(outcomes: Sequence[Outcome]) -> str:
    """Each operator that a case is about, and its state."""
    by_operator: dict[str, Counter[str]] = defaultdict(Counter)
    failed: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        about = subject(outcome)
        by_operator[about][outcome.state] += 1
        if outcome.state == "failed":
            failed[about].append(outcome.name)
        if outcome.state == "outside":
            by_operator[about][outcome.detail] += 0
    lines = ["| operator | passed | failed | state |", "|---|---|---|---|"]
    for name in sorted(by_operator):
        count = by_operator[name]
        kinds = ", ".join(sorted(key for key in count if key not in ("passed", "failed", "outside")))
        state = "runs" if not count["failed"] else f"not all: {', '.join(f'`{one}`' for one in failed[name])}"
        if not count["passed"] and not count["failed"]:
            state = f"outside: {kinds}"
        elif count["outside"]:
            state += f" ({count['outside']} outside: {kinds})"
        lines.append(f"| {name} | {count['passed']} | {count['failed']} | {state} |")
    return "\n".join(lines) + "\n"


def subject(outcome: Outcome) -> str:
    """The operator that a case of several operators is about: the one whose name its own name holds."""
    flat = outcome.name.replace("_", "").lower()
    fitting = [name for name in outcome.operators if name.lower() in flat]
    return max(fitting, key=len, default=outcome.operators[0] if outcome.operators else "(none)")


def share(outcomes: Sequence[Outcome]) -> float:
    """Share of the cases inside that passed."""
    inside = [outcome for outcome in outcomes if outcome.state != "outside"]
    return sum(outcome.state == "passed" for outcome in inside) / len(inside)


def page(outcomes: Sequence[Outcome]) -> str:
    """The page with the table of these outcomes."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(_BEGIN)
    counts = Counter(outcome.state for outcome in outcomes)
    told = (
        f"With onnx {onnx.__version__}: {counts['passed']} of {counts['passed'] + counts['failed']} cases pass, "
        f"{share(outcomes):.1%}; {counts['outside']} are outside.\n\n"
    )
    return before + _BEGIN + told + table(outcomes) + _END + rest.partition(_END)[2]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the cases, say which failed, and write the page where all were run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", metavar="REGEX")
    parser.add_argument("--check", action="store_true")
    chosen = parser.parse_args(arguments)
    found = [run_case(case) for case in cases() if re.search(chosen.only, case.name)]
    for outcome in found:
        if outcome.state == "failed":
            sys.stdout.write(f"{outcome.name}: {outcome.detail}\n")
    counts = Counter(outcome.state for outcome in found)
    sys.stdout.write(f"{dict(counts)}; {share(found):.2%} of those inside\n")
    if chosen.only:
        return 0
    current = PAGE.read_text("utf-8") == page(found)
    if not chosen.check:
        PAGE.write_text(page(found), "utf-8")
    return int(chosen.check and not current)


if __name__ == "__main__":
    sys.exit(main())

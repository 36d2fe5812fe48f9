"""What ONNX itself says of its operators: a node is held against it before anything reads the node's attributes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import onnx
from onnx.defs import OpSchema

from qdebug.doors.onnx.elements import ELEMENTS, STRING
from qdebug.doors.onnx.ir import Constant, Graph, Node, NonFinite, Texts, Value
from qdebug.errors import ModelError, near

_KIND = OpSchema.AttrType
_TYPES: dict[Any, tuple[str, tuple[type, ...]]] = {
    _KIND.FLOAT: ("a float", (float, NonFinite)), _KIND.INT: ("an integer", (int,)), _KIND.STRING: ("a text", (str,)),
    _KIND.TENSOR: ("a tensor", (Constant,)), _KIND.SPARSE_TENSOR: ("a sparse tensor", (Constant,)),
    _KIND.GRAPH: ("a graph", (Graph,)), _KIND.TYPE_PROTO: ("a type", (Value,)),
    _KIND.INTS: ("a list of integers", (int,)), _KIND.FLOATS: ("a list of floats", (float, NonFinite)),
    _KIND.STRINGS: ("a list of texts", (Texts,)),
}  # fmt: skip
_POSITIVE = ("kernel_shape", "strides", "dilations")
_ANY_SIGN = ("pads", "output_padding")
_LISTS = (_KIND.INTS, _KIND.FLOATS)
_DAMAGED = "The file is damaged or of another opset: write it again with a current exporter."


@dataclass(frozen=True)
class Definition:
    """An operator of one opset.

    Attributes:
        since: the opset that its meaning dates from.
        inputs, outputs: the fewest and the most that a node may have.
        single: names of the inputs that have to be given.
        is_variadic: it has any number of inputs, of which none may be left out.
        kinds: types of attributes, by name.
        required: names of the attributes that have to be given.
    """

    since: int
    inputs: tuple[int, int]
    outputs: tuple[int, int]
    single: Mapping[int, str]
    is_variadic: bool
    kinds: Mapping[str, Any]
    required: tuple[str, ...]


@lru_cache(maxsize=4096)
def operator_of(domain: str, name: str, opset: int) -> Definition | None:
    """The definition of an operator; None where ONNX has none of that name, or not yet in that opset."""
    try:
        schema = onnx.defs.get_schema(name, min(max(opset, 1), 2**31 - 1), domain)
    except onnx.defs.SchemaError:
        return None
    option = OpSchema.FormalParameterOption
    return Definition(
        schema.since_version, (schema.min_input, schema.max_input), (schema.min_output, schema.max_output),
        {place: one.name for place, one in enumerate(schema.inputs) if one.option == option.Single},
        [one.option for one in schema.inputs] == [option.Variadic],
        {key: one.type for key, one in schema.attributes.items()},
        tuple(key for key, one in schema.attributes.items() if one.required),
    )  # fmt: skip


def check_node(node: Node, opset: int, axes: int | None = None) -> None:
    """Hold a node against its operator's definition. An operator that ONNX does not define is not looked at.

    Args:
        node: the node.
        opset: version of its domain's operators.
        axes: along how many axes its windows move, where that is known and it has any.

    Raises:
        ModelError: an input, output or attribute is missing, too many, unknown or of a wrong type.
    """
    known = operator_of(node.domain, node.op, opset)
    if known is None:
        return
    _check_count(node, "input", node.inputs, known.inputs)
    _check_count(node, "output", node.outputs, known.outputs)
    for place, name in known.single.items():
        if place >= len(node.inputs) or not node.inputs[place]:
            _refuse(node, f"{node.title} needs its input {place + 1} ('{name}'), which is left out")
    if known.is_variadic and not all(node.inputs) and (node.op, known.since) != ("Scan", 8):
        _refuse(node, f"{node.title} takes any number of inputs, but one of them is left out")
    for name in known.required:
        if name not in node.attributes:
            _refuse(node, f"{node.title} needs the attribute '{name}'")
    for name, value in node.attributes.items():
        if name in known.kinds:
            _check_attribute(node, name, value, known.kinds[name])
        elif not name.startswith("__"):  # what tools keep for themselves, by the checker of onnx
            _refuse(node, f"{node.title} has no attribute '{name}'", do=near(name, known.kinds) + " " + _DAMAGED)
    _check_windows(node, axes)
    _check_bodies(node)


def _check_count(node: Node, what: str, names: tuple[str, ...], bounds: tuple[int, int]) -> None:
    fewest, most = bounds
    given = len(names)
    while given and not names[given - 1]:
        given -= 1
    if given > most or len(names) < fewest:
        if fewest == most:
            wanted = f"{fewest} {what}{'' if fewest == 1 else 's'}"
        else:
            wanted = f"{fewest} to {most} {what}s" if most < 2**31 - 1 else f"{fewest} {what}s or more"
        _refuse(node, f"{node.title} needs {wanted} and has {len(names)}")


def _check_attribute(node: Node, name: str, value: Any, kind: Any) -> None:
    words, types = _TYPES[kind]
    if kind in _LISTS:
        fits = isinstance(value, tuple) and all(isinstance(one, types) for one in itertools.islice(value, 1))
    else:
        fits = isinstance(value, types)
    if not fits:
        _refuse(node, f"The attribute '{name}' of {node.title} has to be {words}")
    is_element = name in ("to", "dtype", "output_dtype") and not node.domain and kind == _KIND.INT
    if is_element and value not in ELEMENTS and value not in (0, STRING):
        _refuse(node, f"The attribute '{name}' of {node.title} names the element type {value}, which is none")


def _check_windows(node: Node, axes: int | None) -> None:
    """Lists of one number per axis that windows move along: equally long, and positive where they have to be."""
    given = {name: node.attributes.get(name) for name in (*_POSITIVE, *_ANY_SIGN)}
    lists: dict[str, tuple[Any, ...]] = {
        name: value for name, value in given.items() if isinstance(value, tuple) and value
    }
    lengths = {len(value) / 2 if name == "pads" else len(value) for name, value in lists.items()}
    if axes is not None and lists:
        lengths.add(axes)
    positive = all(size > 0 for name in _POSITIVE for size in lists.get(name, ()))
    if len(lengths) > 1 or not positive:
        found = ", ".join(f"{name} {list(value)}" for name, value in lists.items())[:200]
        moves = "" if axes is None else f" over {axes} axes"
        _refuse(node, f"The windows of {node.title}{moves} contradict each other: {found}")


def _check_bodies(node: Node) -> None:
    """Inputs and outputs of the graphs in control flow, as far as their number is laid down (ONNX, If and Loop)."""
    if node.domain or node.op not in ("If", "Loop"):
        return
    for name, body in node.attributes.items():
        if not isinstance(body, Graph):
            continue
        inputs = 0 if node.op == "If" else max(len(node.inputs), 2)
        outputs = len(node.outputs) if node.op == "If" else max(len(node.inputs), 2) - 1
        fits = len(body.outputs) == outputs if node.op == "If" else outputs <= len(body.outputs)
        if len(body.inputs) != inputs or not fits:
            _refuse(
                node, f"The graph '{name}' of {node.title} has {len(body.inputs)} inputs and {len(body.outputs)} "
                f"outputs where {inputs} and {outputs} are needed",
            )  # fmt: skip


def _refuse(node: Node, what: str, do: str = _DAMAGED) -> None:
    raise ModelError(what, node=node.name, operator=node.title, do=do)

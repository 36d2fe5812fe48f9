"""From a quantized file to a graph in which integer kernels stand where the runtime has them."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from qdebug.doors.onnx import Lowered, OnnxFile, lower_onnx
from qdebug.doors.onnx.elements import ELEMENTS
from qdebug.doors.onnx.ir import Node, Value
from qdebug.errors import QDebugError
from qdebug.verify.integer import resizing  # noqa: F401 - registers its operator
from qdebug.verify.integer.draft import OWN, Draft, same_node
from qdebug.verify.integer.floats import as_the_runtime
from qdebug.verify.integer.groups import grouped
from qdebug.verify.integer.kernels import DOMAIN, OPERATORS
from qdebug.verify.integer.prepare import prepare
from qdebug.verify.integer.walk import sizes

RESIZE_SINCE = 11
"""The opset from which Resize has its inputs in their present order."""


def integer_program(file: OnnxFile) -> Lowered:
    """The program of a quantized ONNX file as ONNX Runtime's CPU kernels compute it.

    Codes travel between integer kernels, under the names the file has for them; what the runtime computes in floats
    is computed in floats, with its arithmetic where that is known (:mod:`qdebug.verify.integer.floats`). Graphs inside
    nodes are left as they are.

    Raises:
        ModelError: as for :func:`qdebug.doors.onnx.lower_onnx`.
    """
    return lower_onnx(integer_file(file))


def integer_file(file: OnnxFile) -> OnnxFile:
    """The file with groups of nodes replaced by operators of the domain ``qdebug.integer``."""
    draft = Draft(file)
    hidden = prepare(draft, *_sizes(file))
    kernels: dict[str, Node] = {}
    gone: set[str] = set()
    for node in draft.nodes:
        kernel = _given(node, file.model.opset) if node.outputs[0] not in hidden else None
        if kernel is None and node.outputs[0] not in hidden:
            kernel = grouped(draft, node) or as_the_runtime(node, file.model.opset)
        if kernel is not None:
            kernels[node.outputs[0]] = kernel
            gone.update(set(kernel.outputs) - set(node.outputs))
    nodes = [
        kernels.get(node.outputs[0], node) for node in draft.nodes
        if node.outputs[0] not in gone or node.outputs[0] in kernels
    ]  # fmt: skip
    draft.set(nodes)
    return draft.finished({DOMAIN: 1})


def _given(node: Node, opset: int) -> Node | None:
    """An operator on codes that the file itself holds; a Resize, whose sums are the runtime's too."""
    if node.op == "Resize" and not node.domain and opset >= RESIZE_SINCE and len(node.inputs) > 2:
        return same_node(node, domain=DOMAIN) if node.attributes.get("mode") == "linear" else None
    return same_node(node, domain=DOMAIN) if node.op in OPERATORS and node.domain in OWN else None


def _sizes(file: OnnxFile) -> tuple[Mapping[str, tuple[int, ...]], bool]:
    """Sizes of the values of a graph that are needed to tell how products are joined with biases."""
    fixed = all(_is_fixed(value) for value in file.model.graph.inputs)
    if not any(node.op == "MatMul" for node in file.model.graph.nodes):
        return {}, fixed
    feeds = {value.name: _example(value) for value in file.model.graph.inputs}
    try:
        return sizes(lower_onnx(file).program, feeds), fixed
    except (QDebugError, RuntimeError, IndexError, ValueError, TypeError):
        return {}, False


def _is_fixed(value: Value) -> bool:
    return value.shape is not None and all(isinstance(size, int) and size > 0 for size in value.shape)


def _example(value: Value) -> torch.Tensor:
    """Zeros of an input's sizes; sizes that may vary are one."""
    shape = [size if isinstance(size, int) and size > 0 else 1 for size in value.shape or ()]
    return torch.zeros(shape, dtype=ELEMENTS[value.elem or 1].carrier)

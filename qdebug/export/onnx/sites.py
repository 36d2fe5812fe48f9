"""Where a layer is in the file: its node, the addition that is its bias, and what it reads there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from onnx import NodeProto

from qdebug.export.onnx.edit import Editor
from qdebug.session.decided import DecidedLayer

_INPUTS = {
    "Conv": (0, 1, 2),
    "ConvTranspose": (0, 1, 2),
    "Gemm": (0, 1, 2),
    "MatMul": (0, 1, None),
    "Gather": (1, 0, None),
}


@dataclass(frozen=True)
class Site:
    """A layer in the file.

    Attributes:
        decided: the layer.
        node: the operator with the weight.
        last: the node that writes the layer's output: itself, or the addition of a bias behind it.
        x, weight: positions of input and weight among the node's inputs.
        bias: node and position of the bias; None where the layer has none yet, or can have none.
    """

    decided: DecidedLayer
    node: NodeProto
    last: NodeProto
    x: int
    weight: int
    bias: tuple[NodeProto, int] | None

    @property
    def output(self) -> str:
        """The value that the layer writes."""
        return str(self.last.output[0])

    @property
    def has_bias(self) -> bool:
        """Whether there is a bias to be replaced."""
        return (
            self.bias is not None and len(self.bias[0].input) > self.bias[1] and bool(self.bias[0].input[self.bias[1]])
        )


def find_site(editor: Editor, nodes: Mapping[str, list[NodeProto]], layer: DecidedLayer) -> Site | None:
    """Where a layer is; None where it lies inside an operator that does more than a layer does.

    Args:
        editor: the graph.
        nodes: its nodes by name.
        layer: the layer.
    """
    for node in nodes.get(layer.node, ()):
        if node.op_type not in _INPUTS or node.domain not in ("", "ai.onnx"):
            continue
        x, weight, bias = _INPUTS[node.op_type]
        last = node
        place = None if bias is None else (node, bias)
        if layer.output != node.output[0]:
            added = _addition(editor, node, layer)
            if added is None:
                continue
            last, position = added
            place = (last, position)
        return Site(layer, node, last, x, weight, place)
    return None


def without_addition(editor: Editor, site: Site) -> Site:
    """A convolution whose bias stands behind it, and the bias in it: integer kernels want it there.

    The addition goes; the convolution writes its value, and waits for the bias.
    """
    if site.last is site.node or site.decided.layer.kind != "conv":
        return site
    result, position = site.output, _INPUTS[site.node.op_type][2]
    assert position is not None
    editor.move_output(site.last, result, editor.fresh(f"{result}/unfolded"))
    editor.move_output(site.node, site.node.output[0], result)
    editor.remove(site.last)
    return replace(site, last=site.node, bias=(site.node, position))


def node_name(node: NodeProto) -> str:
    """A node's name, as the door has it: where the file has none, that of its first output."""
    return node.name or next((name for name in node.output if name), "") or str(node.op_type)


def _addition(editor: Editor, node: NodeProto, layer: DecidedLayer) -> tuple[NodeProto, int] | None:
    """The addition of a bias behind a matrix product, and the position of the bias in it."""
    add = editor.producer(layer.output)
    if add is None or add.op_type != "Add" or node.output[0] not in add.input:
        return None
    return add, 1 - list(add.input).index(node.output[0])

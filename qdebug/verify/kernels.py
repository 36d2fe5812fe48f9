"""Which kernels a runtime chose for a model."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from qdebug.formats import find
from qdebug.session.decided import Decided, DecidedLayer

#: ONNX Runtime's operators that multiply codes, or codes of weights.
INTEGER = frozenset({
    "QLinearConv", "QLinearMatMul", "QGemm", "MatMulInteger", "ConvInteger", "MatMulIntegerToFloat", "MatMulNBits",
    "DynamicQuantizeMatMul", "QLinearConvTranspose",
})  # fmt: skip
_TOKEN = re.compile(r"_token_\d+$|_nchwc$")


def by_node(nodes: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Operator by the name that the file has for the node, of ``(name, operator)`` after optimization.

    ONNX Runtime puts ``_token_N`` behind the names of nodes that it moved to another memory layout.
    """
    return {plain_name(name): op.removeprefix("Nhwc") for name, op in nodes if name}


def plain_name(name: str) -> str:
    """The name that the file has for a node, of what ONNX Runtime calls it."""
    return _TOKEN.sub("", name)


def left_in_float(decided: Decided, kernels: Mapping[str, str]) -> tuple[str, ...]:
    """The layers whose weight and input are integers and that the runtime computes in floats all the same."""
    return tuple(
        layer.node
        for layer in decided.layers
        if _is_integer(layer) and layer.node in kernels and kernels[layer.node] not in INTEGER
    )


def _is_integer(layer: DecidedLayer) -> bool:
    both = layer.activation is not None and find(layer.activation.plan.format).is_integer
    return both and find(layer.weight.plan.format).is_integer

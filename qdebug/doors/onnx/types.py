"""Element types of values, as far as operators need to be told: small types share a carrier with larger ones."""

from __future__ import annotations

from collections.abc import Mapping

from qdebug.doors.onnx.ir import Constant, Graph, Node

_FIXED = {
    "Shape": 7, "Size": 7, "NonZero": 7, "ArgMax": 7, "ArgMin": 7, "Equal": 9, "Greater": 9, "Less": 9,
    "GreaterOrEqual": 9, "LessOrEqual": 9, "And": 9, "Or": 9, "Not": 9, "Xor": 9, "IsNaN": 9, "IsInf": 9,
    "ConvInteger": 6, "MatMulInteger": 6, "NonMaxSuppression": 7,
    "MatMulIntegerToFloat": 1, "EmbedLayerNormalization": 1,
}  # fmt: skip
_FROM_THIRD = {"QuantizeLinear": 2, "QLinearConv": 7, "QLinearMatMul": 7, "QGemm": 8, "QLinearConcat": 1}
_FROM_SECOND = {"DequantizeLinear", "CastLike", "Where", "OneHot"}


def output_elements(node: Node, elems: Mapping[str, int]) -> tuple[int, ...]:
    """Element types of a node's outputs, one for all where they agree; 0 where unknown.

    Most operators hand on the type of their first input; those that do not and matter here are listed.
    """
    attributes = node.attributes

    def of(place: int) -> int:
        return elems.get(node.inputs[place], 0) if place < len(node.inputs) and node.inputs[place] else 0

    if node.op == "Constant":
        value = attributes.get("value")
        return (value.elem if isinstance(value, Constant) else 7 if "value_int" in attributes else 1,)
    for name in ("to", "output_dtype", "dtype"):
        chosen = attributes.get(name)
        if isinstance(chosen, int) and chosen:
            return (chosen,)
    body = attributes.get("body", attributes.get("then_branch"))
    if isinstance(body, Graph):
        return tuple(value.elem for value in body.outputs[1 if node.op == "Loop" else 0 :]) or (0,)
    if node.op in _FIXED:
        return (_FIXED[node.op],)
    if node.op in _FROM_THIRD:
        return (of(_FROM_THIRD[node.op]) or (1 if node.op == "QGemm" else 2),)
    if node.op == "DynamicQuantizeLinear":
        return (2, 1, 2)
    if node.op in _FROM_SECOND:
        return (of(1),)
    if node.op in ("TopK", "MaxPool", "Unique", "Dropout"):
        return (of(0), 7 if node.op != "Dropout" else 9)
    return (of(0),)

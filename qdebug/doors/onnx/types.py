"""Element types of values, as far as operators need to be told: small types share a carrier with larger ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from qdebug.doors.onnx.ir import Constant, Graph, Node

_FIXED = {
    "Shape": 7, "Size": 7, "NonZero": 7, "ArgMax": 7, "ArgMin": 7, "Equal": 9, "Greater": 9, "Less": 9,
    "GreaterOrEqual": 9, "LessOrEqual": 9, "And": 9, "Or": 9, "Not": 9, "Xor": 9, "IsNaN": 9, "IsInf": 9,
    "ConvInteger": 6, "MatMulInteger": 6, "NonMaxSuppression": 7, "SequenceLength": 7, "OptionalHasElement": 9,
    "MatMulIntegerToFloat": 1, "EmbedLayerNormalization": 1,
}  # fmt: skip
_FROM_THIRD = {"QuantizeLinear": 2, "QLinearConv": 7, "QLinearMatMul": 7, "QGemm": 8, "QLinearConcat": 1}
_FROM_SECOND = {"DequantizeLinear", "CastLike", "Where"}
#: What an operator gives where the attribute that says so is left out.
_USUAL = {
    "RandomNormal": 1, "RandomUniform": 1, "HannWindow": 1, "HammingWindow": 1, "BlackmanWindow": 1,
    "MelWeightMatrix": 1, "Multinomial": 6,
}  # fmt: skip
_BODY_OUTPUTS = {"If": ("then_branch", 0), "Loop": ("body", 1), "Scan": ("body", 0)}
"""Which graph a control-flow operator hands on the outputs of, and which of them is the first that it does."""


def output_elements(node: Node, elems: Mapping[str, int]) -> tuple[int, ...]:
    """Element types of a node's outputs, one for all further ones where there are fewer; 0 where unknown.

    Most operators hand on the type of their first input; those that do not and matter here are listed.
    """
    attributes = node.attributes

    def of(place: int) -> int:
        return elems.get(node.inputs[place], 0) if place < len(node.inputs) and node.inputs[place] else 0

    if node.op == "Constant":
        return (_constant(node),)
    for name in ("to", "output_dtype", "output_datatype", "dtype"):
        chosen = attributes.get(name)
        if isinstance(chosen, int) and chosen:
            return (chosen,)
    if node.op in _FIXED:
        return (_FIXED[node.op],)
    if node.op in _USUAL:
        return (_USUAL[node.op],)
    if node.op == "ConstantOfShape":
        value = attributes.get("value")
        return (value.elem if isinstance(value, Constant) else 1,)
    if node.op in _BODY_OUTPUTS:
        return _of_body(node)
    if node.op == "OneHot":
        return (of(2),)
    if node.op in _FROM_SECOND:
        return (of(1),)
    return _by_inputs(node, of)


def _constant(node: Node) -> int:
    value = node.attributes.get("value", node.attributes.get("sparse_value"))
    if isinstance(value, Constant):
        return value.elem
    return 7 if "value_int" in node.attributes or "value_ints" in node.attributes else 1


def _of_body(node: Node) -> tuple[int, ...]:
    name, first = _BODY_OUTPUTS[node.op]
    body = node.attributes.get(name)
    return (
        (*(value.elem if value.kind == "tensor" else 0 for value in body.outputs[first:]), 0)
        if isinstance(body, Graph)
        else (0,)
    )


def _by_inputs(node: Node, of: Callable[[int], int]) -> tuple[int, ...]:
    if node.op in _FROM_THIRD:
        return (of(_FROM_THIRD[node.op]) or (1 if node.op == "QGemm" else 2),)
    if node.op == "DynamicQuantizeLinear":
        return (2, 1, 2)
    if node.op == "LayerNormalization":
        return (of(0), int(node.attributes.get("stash_type", 1)))  # type: ignore[arg-type]
    if node.op in ("TopK", "MaxPool", "Unique"):
        return (of(0), 7)
    return (of(0), 9) if node.op == "Dropout" else (of(0),)

"""Products of codes whose scale is found at run time, as exporters spell them out.

``DynamicQuantizeLinear`` gives codes, scale and zero point of an activation; ``MatMulInteger`` or ``ConvInteger`` the
sums of products of codes; a cast and a product with both scales bring these back to real numbers.
"""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.doors.onnx.ir import Node

FLOAT_OF = {"MatMulInteger": "MatMul", "ConvInteger": "Conv"}


@dataclass(frozen=True)
class Product:
    """A product of codes.

    Attributes:
        node: the node that computes it.
        x: the activation.
        scale: name of the activation's scale.
    """

    node: Node
    x: str
    scale: str


@dataclass(frozen=True)
class Found:
    """A product brought back to real numbers: its first node, the activation, and the names of the weight's parts."""

    node: Node
    x: str
    weight: str
    scale: str
    zero_point: str
    output: str


class DynamicProducts:
    """Recognizes them while the nodes of a graph go by, in their order."""

    def __init__(self) -> None:
        self._codes: dict[str, tuple[str, str, str]] = {}
        self._products: dict[str, Product] = {}
        self._scales: dict[str, tuple[str, str]] = {}

    def see(self, node: Node) -> Found | None:
        """Take a node in; where it is the last of the nodes of a product, the product."""
        if node.domain:
            return None
        match node.op:
            case "DynamicQuantizeLinear":
                self._codes[node.outputs[0]] = (node.inputs[0], node.outputs[1], node.outputs[2])
            case "MatMulInteger" | "ConvInteger":
                self._product(node)
            case "Cast" if node.inputs[0] in self._products and node.attributes.get("to") == 1:
                self._products[node.outputs[0]] = self._products[node.inputs[0]]
            case "Mul":
                return self._scaled(node)
        return None

    def _product(self, node: Node) -> None:
        codes = self._codes.get(node.inputs[0])
        if codes and len(node.inputs) > 2 and node.inputs[2] == codes[2]:
            self._products[node.outputs[0]] = Product(node, codes[0], codes[1])

    def _scaled(self, node: Node) -> Found | None:
        one, two = node.inputs
        for first, second in ((one, two), (two, one)):
            if any(first == scale for _, scale, _ in self._codes.values()):
                self._scales[node.outputs[0]] = first, second
                return None
            product, scales = self._products.get(first), self._scales.get(second)
            if product and scales and scales[0] == product.scale:
                _, weight, *zero_points = product.node.inputs  # of the activation, and of the weight
                zero_point = "".join(zero_points[1:])
                return Found(product.node, product.x, weight, scales[1], zero_point, node.outputs[0])
        return None

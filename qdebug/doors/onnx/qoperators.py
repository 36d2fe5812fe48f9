"""Where operators on codes keep values, scales and zero points among their inputs."""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.doors.onnx.ir import Node

FLOAT_OF = {
    "QLinearConv": "Conv", "QLinearMatMul": "MatMul", "QGemm": "Gemm", "QLinearAdd": "Add", "QLinearMul": "Mul",
    "QLinearAveragePool": "AveragePool", "QLinearGlobalAveragePool": "GlobalAveragePool", "QLinearSigmoid": "Sigmoid",
    "QLinearLeakyRelu": "LeakyRelu", "QLinearConcat": "Concat",
}  # fmt: skip
"""The float operator of each operator on codes (ONNX, and ONNX Runtime's contrib operators)."""


@dataclass(frozen=True)
class Operands:
    """Positions among a node's inputs.

    Attributes:
        inputs: the operands on codes.
        output: positions of the output's scale and zero point; None where the operator writes floats.
        bias: position of an int32 bias, or None.
    """

    @dataclass(frozen=True)
    class Part:
        """Positions of an operand, its scale and its zero point, and the axis its scales lie along."""

        value: int
        scale: int
        zero_point: int
        axis: int = 0

    inputs: tuple[Part, ...]
    output: tuple[int, int] | None
    bias: int | None = None


def operands(node: Node) -> Operands:
    """The positions for a node whose operator is in :data:`FLOAT_OF`."""
    part = Operands.Part
    match node.op:
        case "QLinearConv":
            return Operands((part(0, 1, 2), part(3, 4, 5, 0)), (6, 7), 8)
        case "QLinearMatMul":
            return Operands((part(0, 1, 2), part(3, 4, 5, 1)), (6, 7))
        case "QGemm":
            axis = 0 if node.attributes.get("transB", 0) else 1
            written = len(node.inputs) > 7 and node.inputs[7]
            return Operands((part(0, 1, 2), part(3, 4, 5, axis)), (7, 8) if written else None, 6)
        case "QLinearAdd" | "QLinearMul":
            return Operands((part(0, 1, 2), part(3, 4, 5)), (6, 7))
        case "QLinearConcat":
            count = (len(node.inputs) - 2) // 3
            return Operands(tuple(part(2 + 3 * at, 3 + 3 * at, 4 + 3 * at) for at in range(count)), (0, 1))
    return Operands((part(0, 1, 2),), (3, 4))

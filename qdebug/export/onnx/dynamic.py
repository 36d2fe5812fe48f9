"""Activations spelled out in operators that every runtime has: those whose range is taken at run time, and float8."""

from __future__ import annotations

import torch
from onnx import TensorProto, helper

from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.tensors import FLOAT8, tensor
from qdebug.formats import Float, Integer, find
from qdebug.quantize import SMALLEST_SCALE
from qdebug.recipes import TensorPlan


def says(plan: TensorPlan) -> int | None:
    """The oldest opset in which a plan with a range taken at run time can be said; None where it cannot."""
    form = find(plan.format)
    if plan.scale_format not in (None, "fp32"):
        return None
    if isinstance(form, Integer):
        return 11 if is_plain(plan) else 13
    return 19 if isinstance(form, Float) and form.name in FLOAT8 else None


def is_plain(plan: TensorPlan) -> bool:
    """Whether DynamicQuantizeLinear says it: one range, 8 bits from 0 to 255."""
    integers = plan.format == "int8" and not plan.symmetric and plan.rounding == "half_even"
    return plan.dynamic and plan.granularity == "tensor" and integers and plan.scale_format in (None, "fp32")


class Dynamic:
    """Adds what rounds one value to a range of its own.

    Limits, scale and zero point are computed in float64, as the simulation does, and the scale rounded to float32.

    Args:
        editor: the graph.
        value: the value, ``[N, …]``.
    """

    def __init__(self, editor: Editor, value: str) -> None:
        self.editor = editor
        self.value = value

    def through(self, plan: TensorPlan, result: str) -> str:
        """The value as the plan lets it through, as ``result``.

        Integers of 8 bits with one range go through DynamicQuantizeLinear, which runtimes have integer products for.
        """
        form = find(plan.format)
        if is_plain(plan):
            names = [self.editor.fresh(f"{self.value}/{word}") for word in ("quantized", "scale", "zero_point")]
            self.several("DynamicQuantizeLinear", [self.value], names)
            return self.editor.add("DequantizeLinear", names, result)
        token = plan.granularity == "token"
        x = self.value if token else self.op("Flatten", [self.value], "flat", axis=1)
        last = result if token else self.editor.fresh(f"{self.value}/rounded")
        low, high = self.limits(x)
        if isinstance(form, Integer):
            self.integers(x, low, high, form, plan.symmetric, last)
        else:
            assert isinstance(form, Float)
            self.floats(x, low, high, form, last)
        if not token:
            self.editor.add("Reshape", [last, self.op("Shape", [self.value], "sizes")], result)
        return result

    def limits(self, x: str) -> tuple[str, str]:
        """Lower and upper limits along the last axis, widened to hold zero; float64."""
        zero, found = self.number("none", 0.0), []
        for reduce, widen in (("ReduceMin", "Min"), ("ReduceMax", "Max")):
            word = reduce.removeprefix("Reduce").lower()
            if self.editor.opset < 18:
                raw = self.op(reduce, [x], word, axes=[-1], keepdims=1)
            else:
                name = self.editor.fresh(f"{self.value}/axis")
                axis = self.editor.store(tensor(name, torch.tensor([-1]), TensorProto.INT64))
                raw = self.op(reduce, [x, axis], word, keepdims=1)
            wide = self.op("Cast", [raw], f"{word}64", to=TensorProto.DOUBLE)
            found.append(self.op(widen, [wide, zero], f"r{word}"))
        return found[0], found[1]

    def integers(self, x: str, low: str, high: str, form: Integer, symmetric: bool, result: str) -> None:
        """Codes and back, as float32 whole numbers (Jacob et al. 2018, section 2.1)."""
        qmin, qmax = form.codes(symmetric)
        if symmetric:
            absmax = high if qmin >= 0 else self.op("Max", [self.op("Neg", [low], "below"), high], "absmax")
            scale = self.scale(self.op("Div", [absmax, self.number("codes", qmax)], "step"))
            below, above = self.number("qmin", qmin, wide=False), self.number("qmax", qmax, wide=False)
        else:
            span = self.op("Sub", [high, low], "span")
            scale = self.scale(self.op("Div", [span, self.number("codes", qmax - qmin)], "step"))
            wide = self.op("Cast", [scale], "scale64", to=TensorProto.DOUBLE)
            lowest, highest = self.number("qmin", qmin), self.number("qmax", qmax)
            place = self.op("Round", [self.op("Sub", [lowest, self.op("Div", [low, wide], "low_codes")], "zero")], "z")
            zero = self.op("Max", [self.op("Min", [place, highest], "z_min"), lowest], "zero_point64")
            below, above = (
                self.op("Cast", [self.op("Sub", [end, zero], word)], f"{word}32", to=TensorProto.FLOAT)
                for end, word in ((lowest, "lowest"), (highest, "highest"))
            )
        codes = self.op("Round", [self.op("Div", [x, scale], "divided")], "codes")
        kept = self.op("Max", [self.op("Min", [codes, above], "at_most"), below], "kept")
        self.editor.add("Mul", [kept, scale], result)

    def floats(self, x: str, low: str, high: str, form: Float, result: str) -> None:
        """To a small float and back, the largest magnitude at its largest number."""
        absmax = self.op("Max", [self.op("Neg", [low], "below"), high], "absmax")
        scale = self.scale(self.op("Div", [absmax, self.number("largest", form.largest)], "step"))
        self.float8(x, scale, form.name, result)

    def float8(self, x: str, scale: str, form: str, result: str) -> str:
        """To a small float of that scale and back; what is too large becomes its largest number."""
        small = self.op("Cast", [self.op("Div", [x, scale], "divided")], "float8", to=FLOAT8[form])
        return self.editor.add("Mul", [self.op("Cast", [small], "kept", to=TensorProto.FLOAT), scale], result)

    def scale(self, step: str) -> str:
        """A step as a scale: 1 for zero, never below the smallest normal number; float32."""
        floor = self.op("Max", [step, self.number("smallest", SMALLEST_SCALE)], "floored")
        is_zero = self.op("Equal", [step, self.number("none", 0.0)], "is_zero")
        chosen = self.op("Where", [is_zero, self.number("one", 1.0), floor], "chosen")
        return self.op("Cast", [chosen], "scale", to=TensorProto.FLOAT)

    def op(self, op: str, inputs: list[str], word: str, **attributes: object) -> str:
        """A node whose output is called like the value, with a word behind it."""
        return self.editor.add(op, inputs, self.editor.fresh(f"{self.value}/{word}"), **attributes)

    def several(self, op: str, inputs: list[str], outputs: list[str]) -> None:
        """A node of several outputs."""
        self.editor.adopt(helper.make_node(op, inputs, outputs, self.editor.fresh(f"{outputs[0]}/{op}")))

    def number(self, word: str, number: float, *, wide: bool = True) -> str:
        """A stored number."""
        kind = torch.float64 if wide else torch.float32
        elem = TensorProto.DOUBLE if wide else TensorProto.FLOAT
        return self.editor.store(
            tensor(self.editor.fresh(f"{self.value}/{word}"), torch.tensor(number, dtype=kind), elem)
        )

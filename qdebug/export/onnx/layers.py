"""Layers: what each one needs, found before the graph is touched, and then written into it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import msgspec
from onnx import TensorProto
from torch import Tensor

from qdebug.engine import Rounded
from qdebug.errors import RecipeError
from qdebug.export.onnx.activations import Activations, Through
from qdebug.export.onnx.codes import Coded, coded, coded_bias
from qdebug.export.onnx.constants import Replacement, Write
from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.notes import Notes
from qdebug.export.onnx.sites import Site
from qdebug.export.onnx.tensors import HALVES, tensor
from qdebug.formats import find
from qdebug.quantize import QParams, bias_scale, quantize_bias, quantize_weight
from qdebug.quantize.biases import for_outputs
from qdebug.session.decided import DecidedLayer

HALF_SUMS = "ONNX computes products and sums of these layers in float16; the simulation adds up in float32"
BRAIN = "These layers compute in float32 on values of bfloat16, as the simulation does"
STORED_FLOAT = "ONNX has no type for {} weights: they are stored as float32, with the values that they have in it"
OFF_GRID = (
    "A fix has rounded these weights in another basis, or keeps something beside their codes: the file has what comes "
    "of it, as float32"
)
WIDER = "Weights of {} bits are stored in {} bits; their values are the same"
SCALES = "Scales are stored in float32; the recipe stores them as {}"
PRODUCTS = (
    "ONNX Runtime may compute products of float activations and weights in codes from activations rounded to 8 bits, "
    "unless its session option session.qdq_matmulnbits_accuracy_level is 1"
)


ROUNDED_WEIGHTS = (
    "ONNX Runtime may quantize the float weights of layers between quantized tensors itself when it optimizes"
)
ROUNDED_BIASES = (
    "ONNX Runtime rounds float biases between quantized tensors to 32-bit integers when it optimizes; the simulation "
    "does so where the recipe says 'bias: int32'"
)


@dataclass(frozen=True)
class LayerForm:
    """What a layer becomes.

    Attributes:
        decided: the layer.
        weight: its weight in codes, or as float values of ``elem``.
        elem: element type of a float weight.
        bias: its bias in codes, or as floats; None where it has none.
        activation: how its input is let through, if not as it is.
        is_half: whether the operator itself runs in float16.
    """

    decided: DecidedLayer
    weight: Coded | Tensor
    elem: int
    bias: Coded | Tensor | None
    activation: Through | None
    is_half: bool

    @property
    def is_integer(self) -> bool:
        """Whether a runtime can compute it on codes of 8 bits."""
        codes = isinstance(self.weight, Coded) and not self.weight.block and self.weight.bits == 8
        return codes and self.activation is not None and self.activation.is_pair

    @property
    def opset(self) -> int:
        """The oldest opset that can say it."""
        wanted = [part.opset for part in (self.weight, self.bias) if isinstance(part, Coded)]
        if self.elem == TensorProto.BFLOAT16:
            wanted.append(13)
        if self.activation is not None and self.activation.opset is not None:
            wanted.append(self.activation.opset)
        return max(wanted, default=1)


def form_of(layer: DecidedLayer, notes: Notes) -> LayerForm:
    """What a layer becomes; what the file will not say of it is noted."""
    plan, x = layer.weight.plan, layer.activation
    weight, elem = _weight(layer, notes)
    how = None if x is None or x.plan.is_float32 else Through(x.plan, x.grid)
    if isinstance(weight, Coded) and weight.block and weight.bits == 8 and how and how.is_pair:
        # ONNX Runtime 1.31 would take it into MatMulIntegerToFloat, which knows no blocks and fails when it runs.
        weight = replace(weight, shape=weight.shape or tuple(weight.codes.shape))
    if isinstance(weight, Coded) and layer.layer.kind == "matmul" and weight.bits <= 8 and not (how and how.is_pair):
        notes.add(PRODUCTS)
    if how and how.is_pair and plan.is_float32:
        notes.add(ROUNDED_WEIGHTS, layer.layer.name)
    half = how is not None and plan.format == how.plan.format == "fp16"
    if half:
        notes.add(HALF_SUMS, layer.layer.name)
    elif how is not None and "bf16" in (plan.format, how.plan.format):
        notes.add(BRAIN, layer.layer.name)
    bias: Coded | Tensor | None = layer.bias_values
    if layer.has_int32_bias and layer.bias_values is not None:
        assert how is not None and isinstance(how.grid, QParams) and isinstance(layer.weight.grid, QParams)
        scale = for_outputs(bias_scale(how.grid, layer.weight.grid), len(layer.bias_values))
        bias = coded_bias(quantize_bias(layer.bias_values, scale), scale)
    return LayerForm(layer, weight, elem, bias, how, half)


def _weight(layer: DecidedLayer, notes: Notes) -> tuple[Coded | Tensor, int]:
    plan, name = layer.weight.plan, layer.layer.name
    if plan.is_float32:
        return layer.values, TensorProto.FLOAT
    if layer.rounded is not None:
        values, grid = _whole(layer, layer.rounded), layer.rounded.grid
    else:
        values, grid = quantize_weight(layer.values, plan, layer.layer.out_axis, grid=layer.weight.grid)
    if plan.format in HALVES:
        return values, HALVES[plan.format]
    found = coded(values, grid, layer.layer.out_axis) if layer.rounded is None or layer.is_on_grid else None
    if found is None:
        notes.add(STORED_FLOAT.format(plan.format) if layer.is_on_grid else OFF_GRID, name)
        return values, TensorProto.FLOAT
    bits = find(plan.format).bits
    if found.bits != bits:
        notes.add(WIDER.format(f"{bits:g}", found.bits), name)
    if plan.scale_format not in (None, "fp32"):
        notes.add(SCALES.format(plan.scale_format), name)
    return found, TensorProto.FLOAT


def _whole(layer: DecidedLayer, rounded: Rounded) -> Tensor:
    """A rounded weight with what a method keeps beside it in float, where one operator can compute both.

    Raises:
        RecipeError: the layer reads its input twice, quantized and not, or quantizes it in another basis.
    """
    plain = layer.activation is None or layer.activation.plan.is_float32
    if layer.basis is not None and not plain:
        raise RecipeError(
            "The layer's input is rotated, scaled or split in two before it is quantized, which no ONNX operator does",
            layer=layer.layer.name, do="Leave its activation in float, or drop that fix for export.",
        )  # fmt: skip
    if rounded.side is None:
        return rounded.values
    if not plain:
        raise RecipeError(
            "A part of the layer is computed in float on the unquantized input, beside the quantized one, which no "
            "ONNX operator does", layer=layer.layer.name, do="Leave its activation in float, or drop that fix.",
        )  # fmt: skip
    return rounded.values + rounded.side


class Layers:
    """Writes layers into a graph.

    Args:
        editor: the graph.
        activations: adds what rounds activations.
    """

    def __init__(self, editor: Editor, activations: Activations) -> None:
        self.editor = editor
        self.activations = activations

    def replacements(self, site: Site, form: LayerForm, changed: bool) -> list[Replacement]:
        """The constants that a layer wants instead of those it has.

        Args:
            site: where it is.
            form: what it becomes.
            changed: whether a fix or a folded normalization has changed what is stored.
        """
        found: list[Replacement] = []
        if form.is_integer and isinstance(form.bias, Tensor) and site.node.op_type != "MatMul":
            self.activations.notes.add(ROUNDED_BIASES)
        plan, layer = form.decided.weight.plan, form.decided.layer
        if changed or not plan.is_float32:
            chosen = form.decided.rounded and form.decided.rounded.key  # two layers may share a stored weight
            key = (msgspec.json.encode(plan), layer.out_axis, form.decided.weight.name, form.is_half, chosen)
            write = self._writer(form.weight, TensorProto.FLOAT16 if form.is_half else form.elem, raw=form.is_half)
            found.append(Replacement(site.node, site.weight, key, "dequantized", write))
        if form.bias is not None and site.has_bias:
            node, position = site.bias  # type: ignore[misc]
            half = form.is_half and node is site.node
            if changed or half or isinstance(form.bias, Coded):
                write = self._writer(form.bias, TensorProto.FLOAT16 if half else TensorProto.FLOAT, raw=True)
                found.append(Replacement(node, position, (form.decided.node, "bias"), "dequantized", write))
        return found

    def missing_bias(self, site: Site, form: LayerForm) -> None:
        """Give a layer its first bias: as an input where the operator takes one, else by an addition behind it."""
        editor = self.editor
        if form.bias is None or site.has_bias:
            return
        name = editor.fresh(f"{form.decided.weight.name}/bias")
        half = form.is_half and site.bias is not None
        self._writer(form.bias, TensorProto.FLOAT16 if half else TensorProto.FLOAT, raw=True)(name, name)
        if site.bias is not None:
            editor.set_input(*site.bias, name)
            return
        output = site.output
        product = editor.fresh(f"{output}/product")
        editor.move_output(site.node, output, product)
        editor.add("Add", [product, name], output)

    def input(self, site: Site, form: LayerForm) -> None:
        """Let a layer read its input as its plan lets it through."""
        editor, value = self.editor, site.node.input[site.x]
        if form.is_half and not self.activations.half_model:
            editor.set_input(site.node, site.x, self.activations.half(value, "fp16"))
            output = site.node.output[0]
            half = editor.fresh(f"{output}/float16")
            editor.move_output(site.node, output, half)
            editor.add("Cast", [half], output, to=TensorProto.FLOAT)
        elif form.activation is not None:
            rounded = self.activations.through(value, form.activation, form.decided.layer.name)
            editor.set_input(site.node, site.x, rounded)

    def _writer(self, values: Coded | Tensor, elem: int, *, raw: bool) -> Write:
        """What writes a weight or a bias under a name: as it is stored, or brought to float32 if not ``raw``."""
        editor = self.editor

        def narrow(name: str, base: str) -> None:
            if isinstance(values, Coded):
                wide = editor.fresh(f"{base}/float32")
                values.write(editor, wide, base)
                editor.add("Cast", [wide], name, to=TensorProto.FLOAT16)
            else:
                editor.store(tensor(name, values, TensorProto.FLOAT16))

        def write(name: str, base: str) -> None:
            if self.activations.half_model:
                narrow(name, base)
            elif isinstance(values, Coded):
                values.write(editor, name, base)
            elif raw or elem == TensorProto.FLOAT:
                editor.store(tensor(name, values, elem))
            else:
                word = "float16" if elem == TensorProto.FLOAT16 else "bfloat16"
                stored = editor.store(tensor(editor.fresh(f"{base}/{word}"), values, elem))
                editor.add("Cast", [stored], name, to=TensorProto.FLOAT)

        return write

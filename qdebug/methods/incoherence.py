"""The randomized Hadamard rotation, applied online.

Tseng, Chee, Sun, Kuleshov, De Sa: *QuIP#: Even Better LLM Quantization with Hadamard Incoherence and Lattice
Codebooks*, ICML 2024 (arXiv:2402.04396), section 3; Ashkboos et al.: *QuaRot: Outlier-Free 4-Bit Inference in Rotated
LLMs*, NeurIPS 2024 (arXiv:2404.00456), where activations are rotated as well.
"""

from __future__ import annotations

from qdebug.formats import find
from qdebug.graph import Layer
from qdebug.methods.bases import nearest_in, with_inputs_in
from qdebug.methods.bench import Bench, refusal
from qdebug.quantize import Rotated, rows
from qdebug.quantize.hadamard import block_of
from qdebug.recipes import TensorPlan
from qdebug.recipes.fixes import Hadamard


def round_rotated(bench: Bench, fix: Hadamard) -> Bench:
    """Quantize every layer's weight after rotating its input features, and a linear layer's quantized input as well.

    With an orthogonal Q, ``x wᵀ = (x Q)(w Q)ᵀ``: nothing changes but what is rounded (QuIP#, equation 3, on the side of
    the input features alone). A runtime keeps ``w Q`` in codes and rotates ``x`` while it runs: the rotation is not
    folded into the layer before. A static activation's range is calibrated on rotated values.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Raises:
        NumericError: a weight has no finite value, or an input that is calibrated holds NaN or Inf.
    """
    basis = Rotated(fix.seed)
    rounded = {layer.step: nearest_in(bench, layer, basis) for layer in bench.layers}
    turned = {layer.step: basis for layer in bench.layers if _turns_input(bench, layer)}
    return with_inputs_in(bench.with_rounded(rounded), turned)


def without_rotation(bench: Bench, layer: Layer) -> str | None:
    """Why a layer is not rotated; None where it is."""
    plan = bench.quants[layer.step].plan
    reason = refusal(plan.weight)
    if reason:
        return reason
    features = rows(bench.reference.constant(layer.weight, bench.engine.cache), layer.out_axis).shape[1]
    if block_of(features) == 1:
        return f"its rows of {features} weights have no even number, and a Hadamard matrix wants one"
    if _is_half(plan.activation) or layer.kind == "embedding":
        return None
    if layer.kind == "conv":
        return "its activation is quantized, and each window of a convolution would have to be rotated by itself"
    if plan.activation.range == "stored" or plan.activation.clip is not None:
        return "its activation's range is given, for values that are not rotated"
    return None


def _turns_input(bench: Bench, layer: Layer) -> bool:
    return layer.kind == "matmul" and not bench.quants[layer.step].plan.activation.is_float32


def _is_half(plan: TensorPlan) -> bool:
    """Whether an activation is a float of 16 bits or more: to a runtime, not quantized."""
    form = find(plan.format)
    return form.is_cast and form.bits >= 16

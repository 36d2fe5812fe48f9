"""Wanda.

Sun, Liu, Bair, Kolter: *A Simple and Effective Pruning Approach for Large Language Models*, ICLR 2024
(arXiv:2306.11695), section 3.
"""

from __future__ import annotations

import torch
from msgspec.structs import replace
from torch import Tensor

from qdebug.engine import Rounded
from qdebug.errors import NumericError
from qdebug.graph import Layer
from qdebug.methods.bench import Bench
from qdebug.methods.inputs import design_of, hessians
from qdebug.quantize import from_rows, quantize_weight, rows
from qdebug.quantize.reduction import keep_mask
from qdebug.recipes.fixes import Wanda
from qdebug.recipes.sparsity import Sparsity, parse_sparsity, pruned_count


def prune_by_inputs(bench: Bench, fix: Wanda) -> Bench:
    """Choose anew what is pruned of each layer whose plan prunes it: the weights that move its output least.

    A weight's score is |W_ij| · ‖X_j‖₂ (equation 1), X_j its input on the calibration data. Scores are compared within
    a group of N:M, or within an output's row, of which each is pruned by the same share, up to a weight. Inputs are the
    float model's; the paper takes those that the pruned layers before leave.

    Args:
        bench: the model as earlier fixes left it.
        fix: the fix; it has no parameters.

    Raises:
        NumericError: an input holds NaN or Inf.
    """
    designs = [design for layer in bench.layers if (design := design_of(bench.engine, layer)) is not None]
    grams = hessians(bench.engine, designs, bench.reference, bench.batches, bench.work)
    rounded: dict[int, Rounded] = {}
    for done, layer in enumerate(bench.layers):
        bench.work.step(done, len(bench.layers), f"pruning {layer.name}")
        given = bench.reference.constant(layer.weight, bench.engine.cache)
        plan = bench.quants[layer.step].plan.weight
        sparsity = parse_sparsity(plan.sparsity or "")
        assert sparsity is not None
        kept = kept_by(given, grams[layer.step], sparsity, layer)
        whole = replace(plan, sparsity=None)
        rounded[layer.step] = Rounded(
            *quantize_weight(given.masked_fill(~kept, 0.0), whole, layer.out_axis, layer=layer.name)
        )
    return bench.with_rounded(rounded)


def without_mask(bench: Bench, layer: Layer) -> str | None:
    """Why what is pruned of a layer is not chosen by its inputs; None where it is."""
    if bench.quants[layer.step].plan.weight.sparsity is None:
        return "its plan prunes nothing of it"
    if design_of(bench.engine, layer) is None:
        return "what its weight multiplies is not known here"
    return None


def kept_by(weight: Tensor, hessian: Tensor, sparsity: Sparsity, layer: Layer) -> Tensor:
    """Which weights are kept: True, in the weight's shape.

    Args:
        weight: in the layer's own shape.
        hessian: the mean of x xᵀ, float64 ``[groups, K, K]``.
        sparsity: what is kept.
        layer: the layer.

    Raises:
        NumericError: the Hessian is not finite.
    """
    if not bool(torch.isfinite(hessian).all()):
        raise NumericError(
            "The layer's input holds NaN or Inf on the calibration data", layer=layer.name,
            do="Find where they arise upstream, or leave this layer whole.",
        )  # fmt: skip
    matrix = rows(weight, layer.out_axis).double()
    sizes = hessian.diagonal(dim1=1, dim2=2).sqrt().repeat_interleave(len(matrix) // len(hessian), 0)
    scores = matrix.abs() * sizes
    if sparsity.of:
        return keep_mask(from_rows(scores, weight, layer.out_axis), sparsity, layer.out_axis)
    places = scores.argsort(stable=True, dim=1).argsort(dim=1)
    order = (places + scores / (scores.max().clamp_min(1e-300) * 1.001)).view(-1).argsort(stable=True)
    mask = torch.ones(scores.numel(), dtype=torch.bool)
    mask[order[: pruned_count(scores.numel(), sparsity)]] = False
    return from_rows(mask.view(scores.shape), weight, layer.out_axis)

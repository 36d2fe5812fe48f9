"""Low-rank compensation of a weight's error.

Yao, Wu, Li, Youn, He: *ZeroQuant-V2: Exploring Post-training Quantization in LLMs from Comprehensive Study to Low Rank
Compensation*, 2023 (arXiv:2303.08302), section 5 (LoRC). Weighted by what a layer reads it is the closed form of Zhang
et al.: *QERA: an Analytical Framework for Quantization Error Reconstruction*, ICLR 2025 (arXiv:2410.06040), theorem 1.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from qdebug.engine import Rounded
from qdebug.engine.apart import apart
from qdebug.errors import NumericError
from qdebug.graph import Layer
from qdebug.methods.bases import nearest_in
from qdebug.methods.bench import Bench, refusal
from qdebug.methods.inputs import design_of, hessians
from qdebug.quantize import from_rows, rows
from qdebug.recipes.fixes import LowRank


def compensate(bench: Bench, fix: LowRank) -> Bench:
    """Add to every layer's quantized weight what two fp16 matrices of a rank can say of its error.

    ``Ŵ + U V`` with ``U V ≈ W − Ŵ`` (section 5, steps 1 to 3). As in the paper the product multiplies what the
    quantized weight does, the layer's input as it is quantized, so that both are one weight here; a runtime keeps codes
    and two thin matrices and adds the two products. What is kept beside for another reason stays there, and a rotated
    weight's error is taken in its basis, where a runtime has the rotated input.

    The rank is lowered where the factors would hold no fewer values than the weight.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Raises:
        NumericError: an input holds NaN or Inf and the fix is weighted.
    """
    grams = _grams(bench) if fix.weighted else {}
    rounded = {}
    for done, layer in enumerate(bench.layers):
        bench.work.step(done, len(bench.layers), f"compensating {layer.name}")
        rounded[layer.step] = _compensated(bench, layer, fix.rank, grams.get(layer.step))
    return bench.with_rounded(rounded)


def without_factors(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's error is not kept; None where it is."""
    if bench.quants[layer.step].plan.weight.is_reduced:
        return refusal(bench.quants[layer.step].plan.weight)
    if layer.groups > 1:
        return "each group of its outputs would need factors of its own, which hold as much as its weight"
    if layer.kind == "embedding" or design_of(bench.engine, layer) is None:
        return "its product is none of a matrix that two others could stand in for"
    shape = rows(bench.reference.constant(layer.weight, bench.engine.cache), layer.out_axis).shape
    if largest_rank(*shape) == 0:
        return "two factors of rank 1 would hold as many values as its weight"
    return None if layer.step in bench.overlay.rounded else refusal(bench.quants[layer.step].plan.weight)


def largest_rank(rows_: int, columns: int) -> int:
    """The largest rank whose factors hold fewer values than a matrix ``[rows, columns]``."""
    return (rows_ * columns - 1) // (rows_ + columns)


def factors(error: Tensor, rank: int, hessian: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """The two fp16 factors whose product is nearest to a matrix: ``[R, r]`` and ``[r, C]``.

    Nearest in the sum of squares (Eckart & Young 1936), or in ``tr((E − UV) H (E − UV)ᵀ)``: with ``H = L Lᵀ`` that is
    the sum of squares of ``(E − UV) L``, so ``U V`` is the nearest to ``E L``, times ``L⁻¹``. Each factor has the roots
    of the singular values.

    Args:
        error: ``[R, C]``.
        rank: r, at most the smaller of R and C.
        hessian: float64 ``[C, C]``.

    Raises:
        NumericError: the Hessian is not finite.
    """
    wanted = error.double()
    lower = None if hessian is None else _root(hessian)
    left, values, right = torch.linalg.svd(wanted if lower is None else wanted @ lower, full_matrices=False)
    roots = values[:rank].sqrt()
    right = roots[:, None] * right[:rank]
    if lower is not None:
        right = torch.linalg.solve_triangular(lower, right, upper=False, left=False)
    return (left[:, :rank] * roots).half(), right.half()


def _root(hessian: Tensor) -> Tensor:
    """The lower Cholesky factor of a Hessian, damped until there is one."""
    if not bool(torch.isfinite(hessian).all()):
        raise NumericError(
            "A layer's input holds NaN or Inf on the calibration data",
            do="Find where they arise upstream, or leave 'weighted' out.",
        )  # fmt: skip
    mean = hessian.diagonal().mean().clamp_min(torch.finfo(torch.float64).tiny)
    fraction = 1e-6
    while True:
        lower, failed = torch.linalg.cholesky_ex(hessian + fraction * mean * torch.eye(len(hessian)).double())
        if not int(failed):
            return lower
        fraction *= 10


def _grams(bench: Bench) -> dict[int, Tensor]:
    designs = [design for layer in bench.layers if (design := design_of(bench.engine, layer)) is not None]
    return hessians(bench.engine, designs, bench.sheet, bench.batches, bench.work)


def _compensated(bench: Bench, layer: Layer, rank: int, hessian: Tensor | None) -> Rounded:
    chosen = bench.overlay.rounded.get(layer.step) or nearest_in(bench, layer, None)
    given = bench.reference.constant(layer.weight, bench.engine.cache)
    kept = given if chosen.side is None else given - chosen.side
    error = rows(kept, layer.out_axis).float() - rows(chosen.values, layer.out_axis).float()
    basis = chosen.basis
    if basis is not None:
        error = basis.into(error)
        if hessian is not None:
            hessian = basis.dual(basis.dual(hessian[0]).t().contiguous())[None]
    taken = max(0, min(rank, largest_rank(*error.shape)))
    left, right = apart(bench.work, lambda: factors(error, taken, None if hessian is None else hessian[0]))
    product = left.float() @ right.float()
    more = from_rows(product if basis is None else basis.back(product), given, layer.out_axis)
    return replace(
        chosen, values=chosen.values + more.to(chosen.values.dtype), grid=None,
        beside=chosen.beside + 16 * (left.numel() + right.numel()),
    )  # fmt: skip

"""HQQ against the authors' loop written out for one group at a time, and on whole models."""

from __future__ import annotations

import math

import pytest
import torch

from qdebug.engine import Work
from qdebug.export import TARGETS
from qdebug.formats import find
from qdebug.methods.hqq import hqq, shifted
from qdebug.quantize import QParams, fake_quantize, rows, weight_grid
from qdebug.recipes import Gptq, Hqq, LayerPlan, Recipe, parse_plan, parse_weight_format
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded


def authors_loop(values, scale, start, qmin, qmax, p=0.7, beta=10.0, kappa=1.01, iterations=20):
    """Zero points, real, that the solver passes through for the values of one scale."""
    zero, passed = start, []
    for _ in range(iterations):
        codes = [min(max(round(v / scale + zero), qmin), qmax) for v in values]
        total = 0.0
        for value, code in zip(values, codes, strict=True):
            off = value - (code - zero) * scale
            kept = max(0.0, abs(off) - abs(off) ** (p - 1) / beta) if off else 0.0
            total += code - (value - math.copysign(kept, off)) / scale
        zero = total / len(values)
        passed.append(zero)
        beta *= kappa
    return passed


def mean_error(values, scale, zero, qmin, qmax):
    return sum(abs(v - (min(max(round(v / scale + zero), qmin), qmax) - zero) * scale) for v in values) / len(values)


def some(text, rows_=5, columns=40, spread=1.0, seed=0):
    weight = torch.randn(rows_, columns, generator=torch.Generator().manual_seed(seed)) * spread
    grid = weight_grid(weight, parse_weight_format(text))
    assert isinstance(grid, QParams)
    return weight, grid


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("text", ["int2g16-affine", "int3-pc-affine", "int4g16-affine", "int3-affine"])
@pytest.mark.parametrize("spread", [0.02, 5.0])
def test_it_is_the_authors_solver(text, spread, integers):
    weight, grid = some(text, spread=spread)
    found = hqq(weight, grid, Hqq(integer_zeros=integers))
    matrix = weight if grid.scale.dim() else weight.reshape(1, -1)
    size = grid.group_size or matrix.shape[1]
    scales, zeros, chosen = (one.reshape(len(matrix), -1) for one in (grid.scale, grid.zero_point, found.zero_point))
    for row in range(len(matrix)):
        for group in range(scales.shape[1]):
            values = matrix[row, group * size : (group + 1) * size].double().tolist()
            scale, start = float(scales[row, group]), float(zeros[row, group])
            tried = [start]
            for zero in authors_loop(values, scale, start, grid.qmin, grid.qmax):
                tried.append(min(max(round(zero), grid.qmin), grid.qmax) if integers else zero)
            errors = [mean_error(values, scale, zero, grid.qmin, grid.qmax) for zero in tried]
            taken = float(chosen[row, group])
            assert min(abs(taken - zero) for zero in tried) < 1e-5
            assert mean_error(values, scale, taken, grid.qmin, grid.qmax) <= min(errors) * (1 + 1e-5)
    assert torch.equal(found.scale, grid.scale)


@pytest.mark.parametrize("how", [{}, {"scales": True}, {"scales": True, "integer_zeros": True}])
@pytest.mark.parametrize("seed", range(3))
def test_no_group_ends_further_off(how, seed):
    weight, grid = some("int2g16-affine", seed=seed)
    found = shifted(hqq(weight, grid, Hqq(**how)), find("int2"))
    off, was = ((weight - fake_quantize(weight, one)).abs() for one in (found, grid))
    sums = [torch.stack([part.sum(1) for part in one.split(16, 1)], 1) for one in (off, was)]
    assert bool((sums[0] <= sums[1] * (1 + 1e-6)).all())
    assert float(sums[0].sum()) < 0.99 * float(sums[1].sum())


def test_rounded_zero_points_alone_win_next_to_nothing():
    """What moving a zero point wins is less than half a step nearly everywhere: the reason for real ones."""
    weight, grid = some("int3g16-affine", rows_=64, columns=128)
    real, whole = (shifted(hqq(weight, grid, Hqq(integer_zeros=how)), find("int3")) for how in (False, True))
    errors = [float((weight - fake_quantize(weight, one)).abs().mean()) for one in (grid, real, whole)]
    assert errors[1] < 0.98 * errors[0] and errors[2] > 0.998 * errors[0]


def test_values_lie_on_the_moved_grid():
    weight, grid = some("int3g16-affine")
    moved = shifted(hqq(weight, grid, Hqq()), find("int3"))
    values = fake_quantize(weight, moved).double()
    spreaded = [part.double().repeat_interleave(16, 1)[:, : weight.shape[1]] for part in (moved.scale, moved.offset)]
    codes = (values - spreaded[1]) / spreaded[0]
    assert torch.allclose(codes, codes.round(), atol=1e-4) and bool(((codes > -0.1) & (codes < 7.1)).all())
    assert bool(((values - weight.double()).abs() <= spreaded[0] * 0.5001).any(1).all())


def test_it_finds_the_zero_point_that_outliers_hide():
    """One value far below pulls a min-max range; a few bits then do better for the others without it."""
    weight = torch.cat([torch.linspace(0.0, 1.0, 63), torch.tensor([-1.0])]).view(1, -1)
    grid = weight_grid(weight, parse_weight_format("int2-pc-affine"))
    found = shifted(hqq(weight, grid, Hqq(scales=True)), find("int2"))
    before, after = ((weight - fake_quantize(weight, one)).abs() for one in (grid, found))
    assert float(after[:, :63].mean()) < 0.8 * float(before[:, :63].mean())


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_codes_of_a_model_are_integers_within_their_limits(kind):
    session = open_model(seeded(kind), data_for(kind))
    plan = LayerPlan(parse_weight_format("int3-pc-affine"), parse_plan("w3a8").activation)
    sheet = session.preparer.sheet(Recipe(default=plan, fixes=(Hqq(scales=True, integer_zeros=True),)), Work())
    assert sheet.overlay.rounded
    for layer in session.subject.layers:
        if layer.step not in sheet.overlay.rounded:
            continue
        chosen = sheet.overlay.rounded[layer.step]
        zero = chosen.grid.zero_point
        assert torch.equal(zero, zero.round()) and bool(((zero >= 0) & (zero <= 7)).all())
        lying = rows(chosen.values, layer.out_axis).contiguous()
        assert torch.equal(fake_quantize(lying, chosen.grid), lying)


def test_gptq_rounds_on_the_grid_it_leaves():
    session = open_model(seeded(Attention), data_for(Attention))
    plan = LayerPlan(parse_weight_format("int3-pc-affine"))
    moved = session.preparer.sheet(Recipe(default=plan, fixes=(Hqq(),)), Work())
    both = session.preparer.sheet(Recipe(default=plan, fixes=(Hqq(), Gptq())), Work())
    for step, chosen in both.overlay.rounded.items():
        assert torch.equal(chosen.grid.offset, moved.overlay.rounded[step].grid.offset)
        lying = rows(chosen.values, 0).contiguous()
        assert torch.allclose(fake_quantize(lying, chosen.grid), lying, atol=1e-6)


@pytest.mark.parametrize(
    ("weight", "reason"),
    [("int4g16", "symmetric"), ("nf4g16", "no zero point"), ("fp16", "no scale"), ("q4_k", "rule of its own")],
)
def test_layers_without_a_zero_point_say_so(weight, reason):
    session = open_model(seeded(Attention), data_for(Attention))
    recipe = Recipe(default=LayerPlan(parse_weight_format(weight)))
    places = session.preparer.repairs.places(recipe, Hqq())
    assert all(refused is not None for _, refused in places)
    assert any(reason in str(refused) for _, refused in places)


@pytest.mark.parametrize("target", ["aimet-1", "aimet-2"])
def test_zero_points_that_are_no_integers_are_left_out_of_documents(target):
    session = open_model(seeded(Residual), data_for(Residual))
    plan = LayerPlan(parse_weight_format("int8-pc-affine"), parse_plan("w8a8").activation)
    document = TARGETS[target].document(session, Recipe(default=plan, fixes=(Hqq(),)))
    assert sum("integer zero points" in sentence for sentence in document.unsaid) == len(session.subject.layers)

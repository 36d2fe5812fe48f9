"""AWQ's clip search against trying everything by hand, and its guard."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from qdebug.errors import MethodError
from qdebug.methods.clip_search import clipped_grid, tried
from qdebug.recipes import AwqClip, LayerPlan, LearnedClipping, Recipe, parse_weight_format
from qdebug.session import open as open_model
from tests.methods.layer_errors import squared_changes, without_fixes
from tests.networks import Attention, Residual, data_for, seeded


def some(rows=6, columns=40, seed=0):
    random = torch.Generator().manual_seed(seed)
    x = torch.randn(300, columns, generator=random) @ torch.randn(columns, columns, generator=random)
    return torch.randn(rows, columns, generator=random) ** 3, x.double()


def by_hand(values, bits, symmetric, cut):
    """Values rounded on the grid of their range cut at ±cut, float64."""
    low, high = max(min(values.min().item(), 0.0), -cut), min(max(values.max().item(), 0.0), cut)
    if symmetric:
        scale = max(-low, high) / (2 ** (bits - 1) - 1)
        return (values / scale).round().clamp(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) * scale
    scale = float(np.float32((high - low) / (2**bits - 1)))  # as it is stored: −low / scale is often a tie
    zero = round(-low / scale)
    return ((values / scale).round().clamp(-zero, 2**bits - 1 - zero)) * scale


@pytest.mark.parametrize("text", ["int2g16", "int3g16-affine", "int3-pc", "int4-pc-affine"])
def test_each_group_gets_the_best_of_all_that_are_tried(text):
    weight, x = some()
    plan = parse_weight_format(text)
    grid = clipped_grid(weight, (x.T @ x / len(x))[None], plan, tried(AwqClip()))
    size = plan.group_size or weight.shape[1]
    for row in range(len(weight)):
        for group in range(grid.scale.shape[1]):
            part = slice(group * size, (group + 1) * size)
            values, seen = weight[row, part].double(), x[:, part]
            most, errors, scales = values.abs().max().item(), [], []
            for shrink in [1 - step / 20 for step in range(10)]:
                rounded = by_hand(values, int(text[3]), plan.symmetric, shrink * most)
                errors.append(float((seen @ (rounded - values)).square().mean()))
                ends = max(values.min().item(), -shrink * most), min(values.max().item(), shrink * most)
                widest = max(map(abs, ends)) / (2 ** (int(text[3]) - 1) - 1)
                scales.append(
                    widest if plan.symmetric else (max(ends[1], 0) - min(ends[0], 0)) / (2 ** int(text[3]) - 1)
                )
            near = [scale for scale, error in zip(scales, errors, strict=True) if error <= min(errors) * (1 + 1e-5)]
            assert any(float(grid.scale[row, group]) == pytest.approx(scale, rel=1e-6) for scale in near)


def test_one_scale_for_a_tensor_is_cut_for_all_rows_together():
    weight, x = some()
    grid = clipped_grid(weight, (x.T @ x / len(x))[None], parse_weight_format("int3"), tried(AwqClip()))
    most, errors = weight.abs().max().item(), []
    shrinks = [1 - step / 20 for step in range(10)]
    for shrink in shrinks:
        off = by_hand(weight.double().view(-1), 3, True, shrink * most).view_as(weight) - weight
        errors.append(float((x @ off.T).square().sum()))
    assert float(grid.scale) == pytest.approx(shrinks[errors.index(min(errors))] * most / 3, rel=1e-6)
    assert errors.index(min(errors)) > 0


@pytest.mark.parametrize("fix", [AwqClip(), LearnedClipping(iterations=60)])
@pytest.mark.parametrize("kind", [Residual, Attention])
@pytest.mark.parametrize("text", ["int3", "int3-pc", "int2g8", "int2g8-affine", "int3-pc-affine"])
def test_no_layers_output_changes_more_than_by_rounding_to_nearest(kind, text, fix):
    session = open_model(seeded(kind), data_for(kind))
    recipe = Recipe(default=LayerPlan(parse_weight_format(text)), fixes=(fix,))
    after, before = squared_changes(session, recipe), squared_changes(session, without_fixes(recipe))
    assert all(after[name] <= before[name] * (1 + 1e-5) for name in after)
    assert sum(after.values()) < 0.95 * sum(before.values())


@pytest.mark.parametrize("text", ["nf4g8", "fp4-pc"])
def test_tables_are_searched_too(text):
    session = open_model(seeded(Attention), data_for(Attention))
    recipe = Recipe(default=LayerPlan(parse_weight_format(text)), fixes=(AwqClip(),))
    after, before = squared_changes(session, recipe), squared_changes(session, without_fixes(recipe))
    assert all(after[name] <= before[name] * (1 + 1e-5) for name in after)
    assert sum(after.values()) < 0.99 * sum(before.values())


@pytest.mark.parametrize(
    ("fix", "text", "reason"),
    [(AwqClip(), "mxfp4", "block's scale"), (AwqClip(), "int4b8x8", "tile"), (LearnedClipping(), "nf4g8", "integers")],
)
def test_what_has_no_range_to_choose_says_so(fix, text, reason):
    session = open_model(seeded(Attention), data_for(Attention))
    places = session.preparer.repairs.places(Recipe(default=LayerPlan(parse_weight_format(text))), fix)
    assert all(refused for _, refused in places) and any(reason in str(refused) for _, refused in places)


@pytest.mark.parametrize("fix", [AwqClip(steps=0), AwqClip(shrink=0.01), LearnedClipping(iterations=0)])
def test_parameters_that_leave_nothing_to_do_are_refused(fix):
    session = open_model(seeded(Attention), data_for(Attention))
    with pytest.raises(MethodError):
        session.score(Recipe(default=LayerPlan(parse_weight_format("int3-pc")), fixes=(fix,)))

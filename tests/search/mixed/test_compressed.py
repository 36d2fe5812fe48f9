"""Pruned and factorized weights are candidates like formats, and what fixes keep beside codes counts in a search."""

from __future__ import annotations

from typing import get_args

import msgspec
import numpy as np
import pytest

import qdebug
from qdebug.engine import Work
from qdebug.recipes import Recipe, from_plain, parse_fix, parse_format
from qdebug.results.mixture import Unit
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.beside import beside
from qdebug.search.mixed.problem import problem, projected, recipe_of
from qdebug.search.mixed.wish import formats_of
from qdebug.search.question import Question
from qdebug.search.sensitivity import sensitivity
from qdebug.targets import find_device
from tests.networks import Attention, Residual, data_for, seeded

FORMATS = formats_of(["w8a8-pc", "w8a8-pc@2:4", "w8a8-pc@50%", "w8a8-pc@r2"])
GRIDS = formats_of(["w8a8-pc", "int4g8-affine/int8", "w8a8-pc@2:4"])


@pytest.fixture(scope="module", params=[Residual, Attention])
def session(request):
    return qdebug.open(seeded(request.param), data_for(request.param, 32))


@pytest.fixture(scope="module")
def tokens():
    return qdebug.open(seeded(Attention), data_for(Attention, 32))


def task(session, fix, unit: Unit = "bits"):
    fixes = (parse_fix(fix),) if fix else ()
    wish = Wish(GRIDS, recipe=Recipe(fixes=fixes), unit=unit)
    return problem(session, wish, projected(session, wish, Work()))


@pytest.mark.parametrize("unit", get_args(Unit))
def test_a_search_mixes_them_and_says_what_they_cost(session, unit):
    device = find_device("a100-sxm") if unit == "seconds" else None
    found = search(session, Wish(FORMATS, unit=unit, device=device), confirm=3)
    used = np.array([point.formats for point in found.front]).sum(0)
    assert (used > 0).all(), found.formats
    for point in found.front:
        size = session.score(from_plain(point.recipe)).size
        assert size.bits_per_weight == pytest.approx(point.bits_per_weight)
        if unit == "bits":
            assert point.cost == pytest.approx(size.bits_per_weight)


def test_sensitivities_rank_them(session):
    found = sensitivity(session, Question(FORMATS, Recipe()))
    by_format = {name: sum(row.predicted or 0 for row in found.rows if row.format == name) for name, _ in FORMATS}
    assert all(by_format["w8a8-pc"] < by_format[name] for name, _ in FORMATS[1:])


@pytest.mark.parametrize("fix", ["low-rank:rank=2", "outliers:keep=10", "svdquant:rank=2:search=false", "hqq"])
def test_what_a_fix_keeps_beside_is_paid_for(tokens, fix):
    """In bits of the model: as much as ``evaluate`` counts more with the fix than without."""
    without, found = task(tokens, ""), task(tokens, fix)
    more = (found.cost - without.cost).sum(0)
    for column in range(len(GRIDS)):
        plain = recipe_of(tokens, Wish(GRIDS), [column] * len(tokens.info().layers))
        fixed = msgspec.structs.replace(plain, fixes=(parse_fix(fix),))
        sizes = [tokens.score(one).size.bits_per_weight for one in (fixed, plain)]
        assert more[column] == pytest.approx(sizes[0] - sizes[1], abs=1e-9)
    assert more[1] > 0 and more[2] == 0  # what is pruned is left alone


def test_a_measured_mixture_has_the_size_of_its_recipe_with_what_fixes_keep_beside(tokens):
    found = search(tokens, Wish(GRIDS, recipe=Recipe(fixes=(parse_fix("low-rank:rank=2"),))), confirm=2)
    seen = [point for point in found.front if point.confirmed is not None]
    assert seen
    for point in seen:
        size = tokens.score(from_plain(point.recipe)).size
        assert (point.bits_per_weight, point.bytes) == (size.bits_per_weight, size.quantized_bytes)
        assert point.cost == pytest.approx(size.bits_per_weight)


def test_factors_in_fp16_count_as_products(tokens):
    """An 16 × 32 layer with two factors of rank 2: 2 · 48 products of 16 by 16 bits at each place."""
    more = task(tokens, "low-rank:rank=2", "bops").cost - task(tokens, "", "bops").cost
    layers = tokens.info().layers
    place = next(at for at, one in enumerate(layers) if one.name == "down")
    assert (layers[place].out_channels, layers[place].in_features) == (16, 32)
    assert more[place].tolist() == [layers[place].macs / 512 * 2 * 48 * 16 * 16] * 2 + [0]


def test_real_zero_points_are_stored_not_multiplied(tokens):
    assert (task(tokens, "hqq", "bops").cost == task(tokens, "", "bops").cost).all()
    plan = parse_format("int4g8-affine/int8")
    sizes = [
        tokens.score(Recipe(default=plan, fixes=(parse_fix(text),))).size.bits_per_weight
        for text in ("hqq", "hqq:integer_zeros=true")
    ]
    layers = [one for one in tokens.info().layers if one.kind != "embedding"]
    scales = sum(one.out_channels * -(-one.in_features // 8) for one in layers)
    assert sizes[0] - sizes[1] == pytest.approx((16 - 4) * scales / tokens.info().params)


def test_a_fix_that_chooses_codes_costs_nothing_beside(tokens):
    wish = Wish(GRIDS, recipe=Recipe(fixes=(parse_fix("gptq"),)))
    possible = np.ones((len(tokens.info().layers), len(GRIDS)), bool)
    assert beside(tokens, wish, possible, Work()) is None

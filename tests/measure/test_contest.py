"""Formats against each other: errors against float64, the limit above all of them, crest factors counted slowly."""

import math

import pytest
import torch

from qdebug.errors import NumericError
from qdebug.figures.formats import at_rate
from qdebug.formats import FORMATS
from qdebug.measure import error_split
from qdebug.measure.contest import SEED, contest, crests, limit, quantized, sqnr
from qdebug.measure.distributions import COLUMNS, ROWS, draw
from qdebug.quantize import quantize_weight
from qdebug.quantize.hadamard import rotate
from qdebug.recipes import parse_activation_format, parse_weight_format
from qdebug.recipes.candidates import ACTIVATIONS, WEIGHTS
from qdebug.results import DISTRIBUTIONS

INDEPENDENT = ("gaussian", "laplace", "uniform")
SLOW = ("vq2_256", "vq4_256", "kmeans4", "kmeans4-pc")
"""Learned codebooks: what takes longest."""


def weights(*notations):
    return {notation: parse_weight_format(notation) for notation in notations}


def every(groups, parse, leave=()):
    return {one: parse(one) for group in groups.values() for one in group if one not in leave}


def slow_sqnr(x, xq):
    """Value by value, in Python's own float64."""
    pairs = [(one, two) for one, two in zip(x.flatten().tolist(), xq.flatten().tolist(), strict=True)]
    signal = math.fsum(one**2 for one, _ in pairs)
    noise = math.fsum((one - two) ** 2 for one, two in pairs)
    return 10 * math.log10(signal / noise)


@pytest.fixture(scope="module")
def small():
    """``[8, 64]`` with one loud column, so that formats and a rotation differ."""
    x = draw("laplace")[:8, :64].clone()
    x[:, 5] *= 20
    return x


@pytest.fixture(scope="module")
def rows(small):
    plans = every(WEIGHTS, parse_weight_format, SLOW)
    return {row.notation: row for row in contest(small, plans, "weight", (8, 64))[0]}


@pytest.mark.parametrize(
    "notation", ["int8", "int4-pc", "int4g32-affine", "nf4", "mxfp4", "nvfp4", "q4_0", "ternary-pc"]
)
def test_the_error_is_that_of_a_slow_computation(small, rows, notation):
    xq = quantize_weight(small, parse_weight_format(notation))[0]
    assert rows[notation].sqnr_db == pytest.approx(slow_sqnr(small, xq), abs=1e-6)


@pytest.mark.parametrize("notation", ["int4", "int4-pc", "fp4g32", "nvfp4"])
def test_a_rotated_error_is_that_of_the_rotated_matrix(small, rows, notation):
    turned, _ = rotate(small, SEED)
    xq = quantize_weight(turned, parse_weight_format(notation))[0]
    assert rows[notation].rotated_sqnr_db == pytest.approx(slow_sqnr(turned, xq), abs=1e-6)


def test_a_rotation_serves_one_scale_and_not_small_blocks_around_one_loud_column(rows):
    assert rows["int4"].rotated_sqnr_db > rows["int4"].sqnr_db + 1
    assert rows["fp4g32"].rotated_sqnr_db < rows["fp4g32"].sqnr_db


def test_the_least_error_comes_first_and_every_format_once(small):
    plans = every(WEIGHTS, parse_weight_format, SLOW)
    found, block = contest(small, plans, "weight", (8, 64))
    assert block == 64
    assert sorted(row.notation for row in found) == sorted(plans)
    errors = [row.sqnr_db for row in found]
    assert errors == sorted(errors, reverse=True)
    assert all(row.family == FORMATS[row.format].family for row in found)


def test_a_format_without_an_error_stands_before_all_others():
    x = (torch.arange(256) % 15 - 7).float().view(4, 64)
    found, _ = contest(x, weights("int2", "int8", "int4", "fp16"), "weight", (4, 64))
    by_name = {row.notation: row.sqnr_db for row in found}
    assert by_name["int4"] is by_name["fp16"] is None
    assert {row.notation for row in found[:2]} == {"int4", "fp16"}
    assert [row.notation for row in found[2:]] == ["int8", "int2"]


@pytest.mark.parametrize(("groups", "parse", "tensor"), [
    (WEIGHTS, parse_weight_format, "weight"), (ACTIVATIONS, parse_activation_format, "activation"),
])  # fmt: skip
def test_where_there_is_no_signal_there_is_no_ratio(groups, parse, tensor):
    found, _ = contest(torch.zeros(2, 64), every(groups, parse), tensor, (2, 64))
    assert all(row.sqnr_db is None and row.rotated_sqnr_db is None for row in found)


def test_nothing_but_nan_is_no_weight_and_no_signal():
    x = torch.full((2, 64), math.nan)
    with pytest.raises(NumericError, match="No value of the weight is finite"):
        contest(x, weights("int8"), "weight", (2, 64))
    plans = every(ACTIVATIONS, parse_activation_format)
    found, _ = contest(x, plans, "activation", (2, 64))
    assert all(row.sqnr_db is None and row.rotated_sqnr_db is None for row in found)


@pytest.mark.parametrize("notation", ["fp16", "int8-pc", "int4g32", "nf4", "mxfp4", "nvfp4", "fp8_e4m3fn-pc"])
def test_nan_and_inf_are_left_out(small, notation):
    x = small.clone()
    x[0, 3], x[5, 60] = math.nan, math.inf
    found, _ = contest(x, weights(notation), "weight", (8, 64))
    clean, _ = contest(torch.where(torch.isfinite(x), x, 0), weights(notation), "weight", (8, 64))
    assert found[0].sqnr_db == pytest.approx(clean[0].sqnr_db, abs=1e-9)
    assert found[0].rotated_sqnr_db == clean[0].rotated_sqnr_db


def test_what_overflows_counts_as_lost():
    """One value of 1e6 in four is infinite in fp16: what is left of the signal is the others."""
    x = torch.tensor([[1e6, 1.0, 2.0, 3.0]])
    xq = quantize_weight(x, parse_weight_format("fp16"))[0]
    assert sqnr(x, xq) == pytest.approx(10 * math.log10((1e12 + 14) / 1e12), abs=1e-12)
    assert sqnr(x, x.clone()) is None


@pytest.mark.parametrize(("groups", "parse", "tensor"), [
    (WEIGHTS, parse_weight_format, "weight"), (ACTIVATIONS, parse_activation_format, "activation"),
])  # fmt: skip
def test_the_error_is_that_of_the_split_that_the_screens_show(small, groups, parse, tensor):
    plans = every(groups, parse, SLOW)
    for x, some in ((small, plans), (small * 1e4, {"fp16": plans["fp16"]})):  # the second overflows
        found = {row.notation: row.sqnr_db for row in contest(x, some, tensor, (8, 64))[0]}
        for notation, plan in some.items():
            xq, grid = quantized(x, plan, tensor)
            assert found[notation] == pytest.approx(error_split(x, xq, grid, plan).sqnr_db, abs=1e-4), notation


def test_an_activation_s_range_is_that_of_the_values_at_hand(small):
    plans = {one: parse_activation_format(one) for one in ("int8", "int8-tok")}
    found = {row.notation: row.sqnr_db for row in contest(small, plans, "activation", (8, 64))[0]}
    step = (float(small.max()) - float(small.min())) / 255
    plain = (small / step).round() * step
    assert found["int8"] == pytest.approx(slow_sqnr(small, plain), abs=0.05)
    assert found["int8-tok"] > found["int8"]


def test_odd_rows_cannot_be_rotated():
    found, block = contest(draw("gaussian")[:4, :33], weights("int4", "nvfp4"), "weight", (4, 33))
    assert block == 1
    assert all(row.rotated_sqnr_db is None and row.sqnr_db for row in found)


def test_storage_is_that_of_the_whole_tensor(small):
    """A codebook of 16 half-precision entries weighs less on a larger tensor; a channel's scale of 32 bits on 64."""
    found = contest(small, weights("kmeans4", "int4-pc"), "weight", (1024, 64))[0]
    bits = {row.notation: row.bits for row in found}
    assert bits == {"kmeans4": 4 + (16 * 16 + 8) / (1024 * 64), "int4-pc": 4.5}


def test_each_format_is_announced(small):
    steps = []
    contest(small, weights("int8", "nf4"), "weight", (8, 64), lambda *step: steps.append(step))
    assert steps == [(0, 2, "trying int8"), (1, 2, "trying nf4")]


def test_the_limit_of_gaussian_values_is_6_02_db_a_bit():
    for bits, value in limit(draw("gaussian")):
        assert value == pytest.approx(20 * math.log10(2) * bits, abs=0.05)


@pytest.mark.parametrize("name", INDEPENDENT)
def test_no_format_passes_the_limit_for_independent_values(name):
    x = draw(name)[:96]
    bound = limit(x)
    plans = every(WEIGHTS, parse_weight_format)
    found, _ = contest(x, plans, "weight", tuple(x.shape))
    near = []
    for row in found:
        if row.bits <= bound[-1][0] and row.sqnr_db is not None:
            near.append(at_rate(bound, row.bits) - row.sqnr_db)
            assert near[-1] > -0.1, row
    assert min(near) < 4, "the limit is not far away"


@pytest.mark.parametrize(
    "x", [torch.zeros(2, 8), torch.full((2, 8), 3.0), torch.full((1, 4), math.nan), torch.zeros(0, 4)]
)
def test_no_limit_without_a_spread(x):
    assert limit(x) == ()


@pytest.mark.parametrize("place", [1, 64, 77, 128, 200, 255])
@pytest.mark.parametrize("unit", [0.1, 1 / 3, 1e-3, 7.7])
def test_the_limit_finds_the_zeros_wherever_they_lie(place, unit):
    """Zero on the edge of two bins: counting and looking must agree on which of them holds it."""
    x = torch.linspace(-place * unit, (256 - place) * unit, 1000).view(10, 100)
    x[:, ::2] = 0
    x[0, 0], x[-1, -1] = -place * unit, (256 - place) * unit
    assert all(math.isfinite(value) for _, value in limit(x))


@pytest.mark.parametrize(("size", "pairs"), [
    (32, {"mxint8": "mxfp8_e4m3", "mxint6": "mxfp6_e2m3", "mxint4": "mxfp4"}), (16, {"nvint4": "nvfp4"}),
])  # fmt: skip
def test_crest_pairs_against_a_slow_count(size, pairs):
    x = draw("student")[:16]
    found, _ = contest(x, weights(*pairs, *pairs.values()), "weight", (16, COLUMNS))
    measured = {row.notation: row.sqnr_db for row in found}
    view = next(one for one in crests(x, found) if one.size == size)
    factors = []
    for start in range(0, COLUMNS, size):
        for row in x.tolist():
            block = row[start : start + size]
            factors.append(max(map(abs, block)) / math.sqrt(math.fsum(value**2 for value in block) / size))
    assert sum(view.counts) == len(factors)
    assert view.median == pytest.approx(sorted(factors)[len(factors) // 2], rel=0.02)
    assert (view.low, view.high) == (1.0, math.sqrt(size))
    assert {pair.integer: pair.float_ for pair in view.pairs} == pairs
    for pair in view.pairs:
        bin_width = (view.high - 1) / 1024
        least, most = (sum(one <= pair.crossing - less for one in factors) / len(factors) for less in (bin_width, 0.0))
        assert least - 1e-12 <= pair.below <= most + 1e-12
        assert pair.gain_db == pytest.approx(measured[pair.integer] - measured[pair.float_])


def test_crest_pairs_without_blocks_or_with_one():
    nothing = crests(torch.zeros(2, 32), ())
    assert [(view.median, sum(view.counts)) for view in nothing] == [(0.0, 0), (0.0, 0)]
    assert all(pair.below == 0 and pair.gain_db is None for view in nothing for pair in view.pairs)
    one = crests(torch.full((1, 16), 2.0), ())
    assert [view.median for view in one] == [1.0, 1.0]
    assert all(pair.below == 1 for view in one for pair in view.pairs)


@pytest.mark.parametrize("name", DISTRIBUTIONS)
def test_distributions_are_the_same_every_time(name):
    first, second = draw(name), draw(name)
    assert first.shape == (ROWS, COLUMNS)
    assert first.dtype == torch.float32
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()


def test_distributions_are_what_their_names_say():
    values = {name: draw(name).double() for name in DISTRIBUTIONS}
    assert float(values["gaussian"].std()) == pytest.approx(1, abs=0.01)
    assert float(values["laplace"].square().mean()) == pytest.approx(2, abs=0.05)
    assert float(values["uniform"].abs().max()) <= 1
    assert float(values["uniform"].square().mean()) == pytest.approx(1 / 3, abs=0.01)
    assert float(values["student"].abs().max()) > 10
    assert float((values["relu"] == 0).double().mean()) == pytest.approx(0.5, abs=0.01)
    loud = values["outliers"].square().mean(0).sqrt() > 20
    assert loud.nonzero().flatten().tolist() == [0, 128, 256, 384]

"""A closer look at layers of every kind, in formats of every kind, held against the session's own values."""

import math
from functools import cache

import numpy as np
import pytest
import torch

from qdebug.engine import Work
from qdebug.errors import RecipeError, UsageError
from qdebug.figures import close_up
from qdebug.quantize import rows
from qdebug.recipes import LayerPlan, LowRank, parse_weight_format, preset, set_layers, with_fix
from qdebug.results import ChannelRidges, ErrorSpectrum, OutputScatter, WeightMatrix
from qdebug.results.closeup import LOOKS
from qdebug.session import open as open_model
from tests.networks import Attention, Residual, data_for, seeded

LAYERS = {"stem": Residual, "dw": Residual, "pw": Residual, "head": Residual, "embed": Attention, "down": Attention}
WEIGHTS = ("int8", "int4-pc", "int4g4", "nf4", "mxfp4", "q4_0", "fp16", "")


@cache
def opened(kind):
    return open_model(seeded(kind), data_for(kind))


def recipe_for(notation, layer):
    plan = LayerPlan(weight=parse_weight_format(notation)) if notation else LayerPlan()
    return set_layers(preset("w32a32"), {layer: plan})


def weights(session, recipe, name):
    layer = session.subject.layer(name)
    sheet = session.preparer.sheet(recipe, Work())
    pair = (session.preparer.float_sheet.constant(layer.weight, session.subject.engine.cache),
            sheet.weight(layer, session.subject.engine.cache))  # fmt: skip
    return [rows(one, layer.out_axis).double().numpy() for one in pair]


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("notation", WEIGHTS)
def test_every_layer_can_be_looked_at_in_every_format(name, notation):
    session = opened(LAYERS[name])
    recipe = recipe_for(notation, name)
    before, after = weights(session, recipe, name)
    error = (after.astype(np.float32) - before.astype(np.float32)).astype(float)
    for look in LOOKS:
        found = session.close_up(recipe, name, look)
        assert found.layer == name
        assert close_up(found).layout.title.text
        match found:
            case ChannelRidges():
                assert found.total == len(before)
                assert {one.channel for one in found.evenly} <= set(range(found.total))
                assert len(found.evenly) == min(24, found.total)
                assert bool(found.worst) == bool(error.any())
            case WeightMatrix():
                assert found.before.values == pytest.approx(
                    before, abs=abs(before).max() / 6e4
                )  # small: cells are values
                assert found.error.values == pytest.approx(error, abs=abs(error).max() / 6e4 + 1e-30)
                assert (found.sqnr_db is None) == (not error.any())
            case ErrorSpectrum():
                assert bool(found.error) == bool(error.any())
                if found.error:
                    squares = np.linalg.svd(error, compute_uv=False) ** 2
                    assert found.error == pytest.approx(squares.cumsum() / squares.sum(), abs=1e-6)
            case OutputScatter():
                assert found.cells.values.sum() == found.n > 0


@pytest.mark.parametrize("name", ["dw", "head"])
@pytest.mark.parametrize("place", ["alone", "in-place"])
def test_outputs_are_compared_alone_and_in_place(name, place):
    session, recipe = opened(Residual), preset("w4a8-pc")
    step = session.subject.layer(name).step
    found = session.close_up(recipe, name, f"output-{place}")
    other = recipe if place == "in-place" else set_layers(preset("w32a32"), {name: recipe.default})
    x, y = (session.value(one, step, found.samples).double() for one in ("w32a32", other))
    slope, offset = np.polyfit(x.flatten().numpy(), y.flatten().numpy(), 1)
    assert (found.slope, found.offset) == pytest.approx((slope, offset), abs=1e-5)
    noise = float((y - x).square().sum() / x.square().sum())
    assert found.sqnr_db == pytest.approx(-10 * math.log10(noise), abs=1e-3)
    assert found.in_place == (place == "in-place")


def test_what_a_fix_keeps_beside_the_codes_belongs_to_the_weight():
    session, plain = opened(Attention), preset("w3a16-pc")
    mended = with_fix(plain, LowRank(rank=2))
    without, with_it = (session.close_up(one, "down", "matrix-largest") for one in (plain, mended))
    assert with_it.sqnr_db > without.sqnr_db + 0.5
    shares = session.close_up(plain, "down", "spectrum").error
    assert with_it.sqnr_db - without.sqnr_db == pytest.approx(-10 * math.log10(1 - shares[1]), abs=0.3)


def test_no_correction_of_low_rank_is_told_of_where_no_method_makes_one():
    ranks = {}
    for name, kind in LAYERS.items():
        ranks[name] = opened(kind).close_up(recipe_for("int8", name), name, "spectrum").rank
    assert ranks["dw"] == ranks["embed"] == 0
    assert ranks["down"] > 0
    assert ranks["stem"] > 0


def test_who_asks_for_what_is_not_there_is_told_so():
    session = opened(Residual)
    with pytest.raises(RecipeError, match="no layer 'stm'"):
        session.close_up("w8a8", "stm", "spectrum")
    with pytest.raises(UsageError, match="no look 'sideways'"):
        session.close_up("w8a8", "stem", "sideways")


def test_a_look_is_cancelled_like_all_work():
    work = Work()
    work.cancel()
    with pytest.raises(Exception, match=r"[Cc]ancel"):
        opened(Residual).close_up("w8a8", "stem", "output-alone", work)
    assert torch.is_grad_enabled()

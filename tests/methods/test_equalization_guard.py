"""Equalization is measured with the recipe's formats, and does not stay where it makes the output worse."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from qdebug.engine import Work
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, Recipe, preset, with_fix
from qdebug.session import open as open_model
from qdebug.session.equalizing import connected, in_words, refusal
from tests.methods.test_cle import uneven
from tests.networks import Residual, data_for, seeded


class Apart(nn.Module):
    """Two pairs of layers that share none: a normalization without a fold stands between."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c, self.d = (nn.Linear(16, 16) for _ in range(4))
        self.norm = nn.LayerNorm(16)

    def forward(self, x):
        x = self.b(torch.relu(self.a(x)))
        return self.d(torch.relu(self.c(self.norm(x))))


def opened(spoil):
    torch.manual_seed(0)
    model = Apart().eval()
    with torch.no_grad():
        spoil(model)
    return open_model(model, {"x": torch.randn(128, 16), "labels": torch.randint(0, 16, (128,))})


def error(session, recipe):
    """The squared error of the quantized output on the first 64 samples for calibration, written out."""
    sheet = session._preparer.sheet(recipe, Work())
    off = size = 0.0
    for batch in session._subject.calib_batches:
        one, two = (
            batch.real_rows(session._subject.engine.output(each, batch))[:64].double()
            for each in (session._preparer.float_sheet, sheet)
        )
        off, size = off + float((one - two).square().sum()), size + float(one.square().sum())
    return off / size


def uneven_inside(first, second):
    """Channels of very different range between two layers."""
    factors = torch.logspace(-1.5, 1.5, 16)
    first.weight.mul_(factors[:, None])
    first.bias.mul_(factors)
    second.weight.div_(factors)


def uneven_where_written(first):
    """With a scale for each row this costs nothing, until equalization moves half of it to the columns behind.

    All channels are equally large, which the weights do not show.
    """
    first.weight.mul_(torch.logspace(-1, 0, 16)[:, None])
    first.bias.fill_(4.0)


def uneven_where_read(second):
    """Which costs the rows' scales a lot, and equalization moves half of it to where it costs nothing."""
    second.weight.mul_(torch.logspace(-1, 1, 16))


@pytest.mark.parametrize("ranges", ["weights", "weights-and-activations"])
def test_it_says_what_it_did_to_the_error(ranges):
    session = opened(lambda model: uneven_inside(model.a, model.b))
    bare = preset("w4a8")
    recipe = with_fix(bare, CrossLayerEqualization(ranges=ranges))
    found = session._preparer.rewrites.equalization(recipe, Work())
    assert found.before == pytest.approx(error(session, bare), rel=1e-6)
    assert found.after == pytest.approx(error(session, recipe), rel=1e-6)
    assert found.after < found.before
    assert found.moved < 1e-5
    assert f"{100 * found.before:.3g} % to {100 * found.after:.3g} %" in in_words(found)
    (card,) = (card for card in session.fixes(recipe) if card.method == "cle")
    assert card.outcome == in_words(found)
    (off,) = (card for card in session.fixes(bare) if card.method == "cle")
    assert off.outcome == ""


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["w8a8", "w4a8", "w3a8-pc"])
def test_the_error_never_grows(seed, name):
    session = open_model(uneven(seeded(Residual, seed), seed), data_for(Residual))
    bare = preset(name)
    for residual in (True, False):
        fixed = with_fix(bare, CrossLayerEqualization(residual=residual))
        assert error(session, fixed) <= error(session, bare) * (1 + 1e-9)


def test_what_makes_it_worse_is_taken_back_part_by_part():
    session = opened(lambda model: (uneven_where_read(model.b), uneven_where_written(model.c)))
    fix = CrossLayerEqualization(absorb=False)
    groups = session._subject.scale_groups
    assert connected(groups, fix) == ((0,), (1,))
    bare = preset("w4a16-pc")
    unguarded = with_fix(bare, CrossLayerEqualization(absorb=False, guard=False))
    found = session._preparer.rewrites.equalization(with_fix(bare, fix), Work())
    assert found.whole == pytest.approx(error(session, unguarded), rel=1e-6)
    assert found.whole > found.before
    touched = set(found.rescaled.overlay.tensors)
    assert found.kept == (0,)
    assert touched.isdisjoint({groups[1].layers[0].weight, groups[1].layers[1].weight})
    assert found.after < found.before
    assert "at 1 of 2 places, elsewhere it is taken back" in in_words(found)


def test_what_makes_it_worse_as_a_whole_is_taken_back_as_a_whole():
    bare = preset("w4a16-pc")
    alone = open_model(_alone(), {"input": torch.randn(128, 16), "labels": torch.randint(0, 16, (128,))})
    recipe = with_fix(bare, CrossLayerEqualization(absorb=False))
    one = alone._preparer.rewrites.equalization(recipe, Work())
    assert (one.kept, one.after) == ((), one.before)
    assert not one.rescaled.overlay.tensors
    assert in_words(one) == (
        "Taken back: it would have raised the output's squared error on calibration data from "
        f"{100 * one.before:.3g} % to {100 * one.whole:.3g} %."
    )
    assert error(alone, recipe) == error(alone, bare)


def _alone():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 16))
    with torch.no_grad():
        uneven_where_written(model[0])
    return model.eval()


def test_where_nothing_is_quantized_nothing_is_measured():
    session = opened(lambda model: uneven_inside(model.a, model.b))
    found = session._preparer.rewrites.equalization(Recipe(fixes=(CrossLayerEqualization(),)), Work())
    assert (found.before, found.after, found.kept) == (None, None, (0, 1))
    assert session._preparer.rewrites.equalization(Recipe(), Work()) is None


def test_pairs_alone_leave_what_a_residual_path_ties_together():
    session = open_model("digits-mobilenet")
    fix = CrossLayerEqualization(residual=False)
    reasons = [refusal(group, fix) for group in session._subject.scale_groups]
    assert sum(reason is not None for reason in reasons) == 1
    assert all(refusal(group, CrossLayerEqualization()) is None for group in session._subject.scale_groups)


@pytest.mark.parametrize(("without", "whole", "kept"), [(0.3, 0.9, False), (0.9, 1.5, True), (0.3, 0.2, True)])
def test_of_a_model_that_is_ruined_either_way_nothing_is_taken_back(monkeypatch, without, whole, kept):
    session = opened(lambda model: uneven_inside(model.a, model.b))
    bare = preset("w4a16")
    fix = CrossLayerEqualization(absorb=False)
    monkeypatch.setattr(
        "qdebug.session.equalizing.Equalizer._error",
        lambda self, overlay, *_: whole if overlay.tensors else without,
    )
    found = session._preparer.rewrites.equalization(with_fix(bare, fix), Work())
    assert bool(found.kept) == kept
    assert ("ruined without it too" in in_words(found)) == (without > 0.5)


def test_the_card_says_that_later_fixes_have_no_part_in_the_measure():
    session = opened(lambda model: uneven_inside(model.a, model.b))
    alone = with_fix(preset("w8a8"), CrossLayerEqualization())

    def outcome(recipe):
        return next(card.outcome for card in session.fixes(recipe) if card.method == "cle")

    assert outcome(alone) and "other fixes" not in outcome(alone)
    assert outcome(with_fix(alone, BiasCorrection())) == (
        f"{outcome(alone)} Measured with weights rounded to nearest, without the recipe's other fixes."
    )

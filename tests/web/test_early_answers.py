"""Answers of the first lessons, held against what comes out another way on the sample's own tensors."""

from pathlib import Path

import numpy as np
import pytest
import torch

import qdebug
import sample_models
from qdebug.engine import Work
from tests.web.conftest import hold_against, html, settle, take


def weight(session, layer):
    """A layer's weight as it stands in the model."""
    found = session.subject.layer(layer)
    return session.preparer.float_sheet.constant(found.weight, session.subject.engine.cache)


def best_limit():
    """The symmetric 4-bit clip limit with the least squared error, by trying a thousand of them."""
    values = weight(qdebug.open("digits-mobilenet"), "blocks.3.project").double()
    limits = values.abs().max() * torch.arange(0.05, 1.0, 0.001, dtype=torch.float64)
    steps = limits / 7
    errors = [(torch.clamp(torch.round(values / step), -8, 7) * step - values).square().sum() for step in steps]
    return f"{100 * float(limits[int(torch.stack(errors).argmin())] / values.abs().max()):.1f} %"


def zero_point_gain():
    """What an affine 8-bit grid gains for a layer's input, both with the range of the calibration data."""
    session = qdebug.open("digits-mobilenet")
    subject, layer = session.subject, session.subject.layer("blocks.3.dw")
    seen, tried = (
        torch.cat([
            batch.real_rows(subject.engine.values(session.preparer.float_sheet, batch, (layer.x,), Work())[layer.x])
            for batch in batches
        ]).double()
        for batches in (subject.calib_batches, subject.eval_batches)
    )  # fmt: skip
    largest = seen.max()

    def noise(step, low, high):
        return (torch.clamp(torch.round(tried / step), low, high) * step - tried).square().sum()

    return f"{10 * float(torch.log10(noise(largest / 127, -128, 127) / noise(largest / 255, 0, 255))):.2f} dB"


def equalized_range():
    """The geometric mean of the widest filter's range and of the range with which it is read."""
    session = qdebug.open("digits-mobilenet")
    written = weight(session, "blocks.2.dw").abs().amax((1, 2, 3))
    read = weight(session, "blocks.2.project").abs().amax((0, 2, 3))
    widest = int(written.argmax())
    return f"{float(torch.sqrt(written[widest] * read[widest])):.4f}"


def shift_part():
    """How much smaller the squared error of a layer's output is once each channel's mean error is taken out."""
    session = qdebug.open("digits-mobilenet")
    subject, layer = session.subject, session.subject.layer("blocks.1.dw")
    only = qdebug.recipes.set_layers(qdebug.recipes.Recipe(), {layer.name: qdebug.preset("w8a8").default})
    sheets = [session.preparer.sheet(recipe, Work()) for recipe in (qdebug.recipes.Recipe(), only)]
    plain, moved = (
        torch.cat([
            batch.real_rows(subject.engine.values(sheet, batch, (layer.step,), Work())[layer.step])
            for batch in subject.eval_batches
        ]).double()
        for sheet in sheets
    )  # fmt: skip
    error = moved - plain
    left = error - error.mean((0, 2, 3), keepdim=True)
    return f"{100 * (1 - float(left.square().mean() / error.square().mean())):.1f} %"


def most_samples():
    """The most samples, of those that are powers of two, whose ranges still serve: the network opened with each."""
    with np.load(Path(sample_models.__file__).parent / "digits_mobilenet" / "calib.npz") as file:
        everything = dict(file)
    total = len(everything["images"])
    orders = [np.random.default_rng((0, draw)).permutation(total) for draw in range(2)]

    def accuracy(number):
        for order in orders:
            some = {name: values[np.sort(order[:number])] for name, values in everything.items()}
            metric = qdebug.open("digits-mobilenet", calib=some).score("w8a8-pc").metric
            yield metric.quantized - metric.float_

    number = 32
    assert np.mean(list(accuracy(number))) >= -0.02 > np.mean(list(accuracy(2 * number)))
    return str(number)


def best_way():
    """Of one range from calibration, one for each sample, one for each token: what leaves the least squared error."""
    session = qdebug.open("digits-vit")
    subject, layer = session.subject, session.subject.layer("blocks.0.mlp.fc2")
    seen, tried = (
        torch.cat([
            batch.real_rows(subject.engine.values(session.preparer.float_sheet, batch, (layer.x,), Work())[layer.x])
            for batch in batches
        ]).double()
        for batches in (subject.calib_batches, subject.eval_batches)
    )  # fmt: skip

    def error(values, over):
        low, high = (getattr(values, end)(over, keepdim=True) for end in ("amin", "amax"))
        low, high = low.clamp(max=0), high.clamp(min=0)
        step = (high - low) / 255
        zero = torch.round(-low / step)
        return (((torch.clamp(torch.round(tried / step) + zero, 0, 255) - zero) * step) - tried).square().sum()

    errors = {"static": error(seen, (0, 1, 2)), "dynamic": error(tried, (1, 2)), "per token": error(tried, (2,))}
    return min(errors, key=errors.__getitem__)


ANSWERS = {
    ("clipping", "best"): (best_limit, "90"),
    ("symmetric", "gain"): (zero_point_gain, "0.5 dB"),
    ("granularity", "bits"): (lambda: str((64 * 4 + 16) / 64), "4.5"),
    ("equalization", "factor"): (equalized_range, "168"),
    ("bias", "part"): (shift_part, "90"),
    ("calibration", "samples"): (most_samples, "256"),
    ("dynamic", "choice"): (best_way, "static"),
}  # fmt: skip


@pytest.mark.parametrize(("slug", "question"), ANSWERS)
def test_the_answer_is_what_comes_out_another_way(visitor, slug, question):
    right, wrong = ANSWERS[slug, question]
    hold_against(visitor, slug, question, right(), wrong)


def apply(app):
    """Press the button that applies a lesson's fix, and wait for what comes of it."""
    next(one for one in app.button if one.label.startswith("Apply")).click()
    return html(settle(app))


@pytest.mark.parametrize(
    ("slug", "fix", "shown"),
    [("equalization", qdebug.recipes.CrossLayerEqualization(), "Codes used:"),
     ("bias", qdebug.recipes.BiasCorrection(), "quantized too")],
)  # fmt: skip
def test_a_fix_is_applied_on_a_click_and_leaves_the_participants_recipe_alone(visitor, slug, fix, shown):
    assert "without it" not in html(take(visitor, slug))
    text = apply(visitor)
    session = qdebug.open("digits-mobilenet")
    fixed = qdebug.recipes.with_fix(qdebug.preset("w8a8"), fix)
    before, after = (100 * session.score(recipe).metric.quantized for recipe in ("w8a8", fixed))
    assert f"{before:.1f} % without it, {after:.1f} % with it" in text
    assert shown in text
    assert not any(one.now.fixes for one in visitor.session_state.histories.values())

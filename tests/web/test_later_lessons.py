"""Answers of lessons, held against what comes out another way; wrong ones get the hint, right ones the reason."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import qdebug
import sample_models
from tests.web.conftest import hold_against, html, settle, take


def samples():
    """Where the samples lie."""
    return Path(sample_models.__file__).parent


def changes(session, recipes):
    """The mean squared change of the output per sample under each recipe, from the outputs themselves."""
    batches = session.subject.eval_batches
    plain = torch.cat([session.output("w32a32", batch) for batch in batches]).double()
    for recipe in recipes:
        found = torch.cat([session.output(recipe, batch) for batch in batches]).double()
        yield float(((found - plain) ** 2).flatten(1).sum(1).mean())


def best_alpha():
    session = qdebug.open("digits-vit")
    alphas = [step / 10 for step in range(11)]
    smoothed = [
        qdebug.recipes.with_fix(qdebug.recipes.preset("w8a8"), qdebug.recipes.SmoothQuant(alpha=alpha))
        for alpha in alphas
    ]
    errors = list(changes(session, smoothed))
    return str(alphas[errors.index(min(errors))])


def bits_of_small_blocks():
    """All bits of a block over its weights."""
    return str((8 * 4 + 8) / 8)


def last_into_four_bits():
    """The layer that moves the output most when it alone is in four bits."""
    session = qdebug.open("digits-resnet")
    plan = qdebug.recipes.parse_plan("w4a8-pc")
    layers = [layer.name for layer in session.info().layers]
    alone = [qdebug.recipes.set_layers(qdebug.recipes.preset("w32a32"), {layer: plan}) for layer in layers]
    errors = dict(zip(layers, changes(session, alone), strict=True))
    return max(errors, key=errors.__getitem__)


def class_that_lost_most():
    """Right answers by label, counted."""
    session = qdebug.open("digits-longtail")
    labels = np.load(samples() / "digits_longtail" / "data.npz")["labels"]
    found = [session.predictions(recipe).top1 for recipe in ("w32a32", "w4a8")]
    right = [[int((one == labels)[labels == label].sum()) for label in range(10)] for one in found]
    lost = [before - after for before, after in zip(*right, strict=True)]
    shares = [one / int((labels == label).sum()) for label, one in enumerate(lost)]
    return f"class {shares.index(max(shares))}"


def best_codes():
    """The pair whose sum is nearest to that of 0.4 and 0.4."""
    return str(min(((0, 0), (0, 1), (1, 1)), key=lambda pair: abs(sum(pair) - 0.8)))


def step_of_a_bias():
    """Images lie between 0 and 1, in 255 steps; weights of a channel reach to 127."""
    weight = load_file(samples() / "digits_mobilenet" / "weights.safetensors")["stem.conv.weight"]
    return f"{float(weight[0].abs().max()) / 127 / 255:.2e}"


def straight_through():
    """The gradient as autograd gives it, rounding taken for a constant beside the value."""
    weight = torch.tensor(0.3, requires_grad=True)
    inside = weight.clamp(-1.0, 1.0)
    (2 * (inside + (inside.round() - inside).detach())).backward()
    assert weight.grad is not None
    return str(float(weight.grad))


ANSWERS = {
    ("outliers", "alpha"): (best_alpha, "0.9"),
    ("formats", "blocks"): (bits_of_small_blocks, "4.5"),
    ("mixture", "first"): (last_into_four_bits, "blocks.3.conv2"),
    ("groups", "worst"): (class_that_lost_most, "class 8"),
    ("rounding", "toy"): (best_codes, "(0, 0)"),
    ("deployed", "bias"): (step_of_a_bias, "0.5"),
    ("training", "ste"): (straight_through, "0"),
}


@pytest.mark.parametrize(("slug", "question"), ANSWERS)
def test_the_answer_is_what_comes_out_another_way(visitor, slug, question):
    right, wrong = ANSWERS[slug, question]
    hold_against(visitor, slug, question, right(), wrong)


@pytest.mark.parametrize(
    ("slug", "button", "said"),
    [
        ("mixture", "Measure them all", "measured errors came out as predicted"),
        ("training", "Train it", "after training"),
    ],
)
def test_what_takes_longer_starts_by_a_click(visitor, slug, button, said):
    assert said not in html(take(visitor, slug))
    next(one for one in visitor.button if one.label.startswith(button)).click()
    assert said in html(settle(visitor))
    assert not any(one.label.startswith(button) for one in visitor.button)

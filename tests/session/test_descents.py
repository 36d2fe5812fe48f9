"""What iterations of methods that learn are estimated to take."""

from __future__ import annotations

import dataclasses

import pytest

from qdebug.recipes import AdaQuant, AdaRound, Brecq, Gptq, preset
from qdebug.session import open as open_model
from qdebug.session.descents import Shape, product_seconds, seconds

LARGE = Shape(rows=512, columns=1024, groups=1, positions=64, clamped=False)


def of(fix, shape=LARGE, samples=256):
    return seconds(fix, shape, samples, product=1e-9)


def test_a_quadratic_objective_costs_a_product_with_the_gram_matrix_however_many_samples():
    for fix in (AdaRound(), AdaQuant(steps=False)):
        assert of(fix) == pytest.approx(512 * 1024 * 1024 * 1e-9, rel=0.05)
        assert of(fix, samples=4096) == of(fix)


def test_behind_a_relu_it_costs_forward_and_backward_on_a_batch_of_rows():
    clamped = dataclasses.replace(LARGE, clamped=True)
    assert of(AdaRound(batch=256), clamped) == pytest.approx(2 * 256 * 512 * 1024 * 1e-9, rel=0.05)
    assert of(AdaRound(batch=256, through_activation=False), clamped) == of(AdaRound())
    few = of(AdaRound(batch=256), dataclasses.replace(clamped, positions=1), samples=8)
    assert few < of(AdaRound(batch=256), clamped) / 10


def test_a_block_costs_forward_and_backward_on_a_batch_of_samples():
    assert of(Brecq(batch=32)) == pytest.approx(3 * 32 * 64 * 512 * 1024 * 1e-9, rel=0.05)
    assert of(Brecq(batch=64)) == pytest.approx(2 * of(Brecq(batch=32)), rel=0.05)


def test_a_learned_input_step_costs_forward_and_backward_on_a_batch_of_rows():
    rows = dataclasses.replace(LARGE, columns=128)
    more = of(AdaQuant(), rows) - of(AdaQuant(steps=False), rows)
    assert more == pytest.approx(3 * 256 * 512 * 128 * 1e-9, rel=0.1)


def test_other_methods_are_not_known_here():
    assert of(Gptq()) is None


def test_a_product_takes_time():
    assert 1e-13 < product_seconds() < 1e-6


@pytest.mark.parametrize("kind", [AdaRound, AdaQuant, Brecq])
def test_an_estimate_grows_with_the_iterations(kind):
    session = open_model("digits-resnet")
    few, many = (session.estimate_fix(preset("w4a16"), kind(iterations=count)).seconds for count in (100, 1100))
    passes = session.estimate_fix(preset("w4a16"), kind(iterations=1)).seconds
    assert many - passes == pytest.approx(11 * (few - passes), rel=0.02)

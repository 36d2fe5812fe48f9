"""A race says that an order is settled only where it is, as often as it says."""

import numpy as np
import pytest

from qdebug.search.sweep.race import TIE, Race, behind

COUNT = 512
ENDS = (64, 128, 256, COUNT)


def errors_of(layers, rng, *, sigma, own):
    """Log-normal errors ``[layers, samples]``: how hard a sample is, times what is the layer's own."""
    shared = np.exp(sigma * rng.standard_normal(COUNT))
    scale = np.exp(rng.normal(0, 1.0, layers))[:, None]
    return scale * shared * np.exp(own * rng.standard_normal((layers, COUNT)))


def raced(errors, confidence=0.95, predicted=None):
    """The claims, the samples that each layer took, and the errors seen."""
    race = Race(COUNT, len(ENDS) - 1, len(errors), confidence, predicted or {})
    part = {str(layer): 0 for layer in range(len(errors))}
    while True:
        seen = {layer: errors[int(layer)][: ENDS[part[layer]]] for layer in part}
        claims = race.verdicts(seen)
        going = behind(claims, seen)
        if not going:
            return claims, [ENDS[one] for one in part.values()]
        for layer in going:
            part[layer] += 1


@pytest.mark.parametrize(("sigma", "own"), [(0.5, 0.3), (1.0, 0.3), (1.0, 1.0), (1.5, 0.5)])
def test_claims_are_right_as_often_as_stated(sigma, own):
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(100):
        errors = errors_of(12, rng, sigma=sigma, own=own)
        claims, _ = raced(errors)
        true = errors.mean(1)
        for one, two, verdict in claims:
            high, low = true[int(one)], true[int(two)]
            wrong_order = verdict == "settled" and not high > low
            no_tie = verdict == "tie" and abs(high - low) > TIE * max(high, low) * 1.02  # of a mean that is estimated
            if wrong_order or no_tie:
                wrong += 1
                break
    assert wrong <= 10  # 5 are stated; more than 10 of 100 would come by chance once in 90 times


def test_the_test_above_can_fail():
    """With a confidence of next to nothing, claims are wrong more often than that."""
    rng = np.random.default_rng(3)
    wrong = 0
    for _ in range(40):
        errors = errors_of(12, rng, sigma=1.0, own=1.0)
        claims, _ = raced(errors, confidence=-60.0)
        true = errors.mean(1)
        wrong += any(v == "settled" and true[int(a)] <= true[int(b)] for a, b, v in claims)
    assert wrong > 4


def test_clear_orders_stop_early_and_unclear_ones_do_not():
    rng = np.random.default_rng(0)
    shared = np.exp(0.5 * rng.standard_normal(COUNT))
    steps = np.array([1.0, 2.0, 4.0, 8.0])[:, None]
    _, clear = raced(steps * shared * np.exp(0.1 * rng.standard_normal((4, COUNT))))
    assert clear == [64] * 4
    _, unclear = raced(shared * np.exp(1.5 * rng.standard_normal((4, COUNT))))
    assert max(unclear) == COUNT


def test_only_those_that_are_not_settled_go_on():
    rng = np.random.default_rng(1)
    shared = np.exp(0.5 * rng.standard_normal(COUNT))
    near = shared * np.exp(0.8 * rng.standard_normal((2, COUNT)))
    claims, samples = raced(np.stack([near[0], near[1], 100 * shared, 10000 * shared]))
    assert samples[2:] == [64, 64]
    assert min(samples[:2]) > 64
    assert [claim[:2] for claim in claims[:2]] == [("3", "2"), ("2", claims[1][1])]


def test_near_equals_are_ties():
    rng = np.random.default_rng(2)
    shared = np.exp(0.5 * rng.standard_normal(COUNT))
    claims, samples = raced(np.stack([shared, shared * 1.001 * np.exp(0.05 * rng.standard_normal(COUNT))]))
    assert [verdict for *_, verdict in claims] == ["tie"]
    assert samples == [64, 64]
    assert [verdict for *_, verdict in raced(np.stack([shared, shared]))[0]] == ["tie"]


def test_what_rests_on_one_sample_is_left_open():
    one, two = np.full(64, 1.0), np.full(64, 1.001)
    one[5] = 1000.0
    assert Race(COUNT, 3, 2).verdict(one, two) == "open"


def test_errors_that_are_no_numbers_come_first_and_are_never_settled_early():
    errors = {"a": np.ones(64), "b": np.full(64, np.nan)}
    race = Race(COUNT, 3, 2)
    assert race.order(errors) == ["b", "a"]
    assert [verdict for *_, verdict in race.verdicts(errors)] == ["open"]


def test_what_is_predicted_to_rest_on_one_sample_not_yet_seen_is_left_open():
    rng = np.random.default_rng(4)
    two = np.exp(0.2 * rng.standard_normal(COUNT))
    one = 1.5 * two
    race = Race(COUNT, 3, 2)
    assert race.verdict(one[:64], two[:64], one - two) == "settled"
    heavy = two.copy()
    heavy[200] = 300.0
    assert race.verdict(one[:64], heavy[:64], one - heavy) == "open"
    assert race.verdict(one[:256], heavy[:256], one - heavy) == "open"  # the difference that was seen rests on it


@pytest.mark.parametrize("directions", [1, 4])
def test_claims_with_predictions_are_right_as_often_as_stated(directions):
    rng, wrong = np.random.default_rng(5), 0
    for _ in range(60):
        errors = errors_of(8, rng, sigma=1.0, own=0.5)
        luck = rng.chisquare(directions, (8, COUNT)) / directions
        predicted = {str(layer): (lambda one=one: one) for layer, one in enumerate(errors * luck)}
        claims, _ = raced(errors, predicted=predicted)
        true = errors.mean(1)
        wrong += any(v == "settled" and true[int(a)] <= true[int(b)] for a, b, v in claims)
    assert wrong <= 9  # 3 are stated; more than 9 of 60 would come by chance once in 900 times


def test_the_order_is_that_of_the_estimates():
    """Of two layers with equal errors so far, the one with heavier samples to come is put first."""
    seen = np.exp(0.5 * np.random.default_rng(6).standard_normal(64))
    light, heavy = np.tile(seen, 8), np.concatenate([seen, np.tile(2 * seen, 7)])
    race = Race(COUNT, 3, 2, predicted={"light": lambda: light, "heavy": lambda: heavy})
    assert race.order({"light": seen, "heavy": seen}) == ["heavy", "light"]
    assert race.order({"light": light, "heavy": light}) == ["light", "heavy"]

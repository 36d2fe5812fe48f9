"""Keys are worked out as far as they are asked for, from those of a sheet that is nearly the same, and are the same."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from qdebug.engine import Sheet, ValueCache
from qdebug.engine.keys import Keys
from qdebug.engine.overlay import Rounded
from qdebug.engine.stations import Stations
from qdebug.session import open as open_model
from tests.engine.test_against_plain import random_points, random_sheet
from tests.networks import Attention, Residual, data_for, seeded


def opened(kind):
    return open_model(seeded(kind), data_for(kind), cache=ValueCache(1 << 20))


def changed(sheet, subject, dice):
    """Overlay, quants and points of a sheet, one of them with one change."""
    overlay, quants, points = sheet.overlay, dict(sheet.quants), dict(sheet.points)
    layer = dice.choice(subject.layers)
    weight = subject.program.state[layer.weight]
    match dice.randrange(6):
        case 0:
            quants.pop(layer.step, None)
        case 1 if layer.step in quants:
            quants[layer.step] = replace(quants[layer.step], int32_bias=not quants[layer.step].int32_bias)
        case 2:
            overlay = overlay.updated(tensors={layer.weight: weight + 1})
        case 3:
            overlay = overlay.updated(biases={layer.step: weight.flatten()[: weight.shape[layer.out_axis]]})
        case 4:
            overlay = overlay.updated(rounded={layer.step: Rounded(weight.round(), None)})
        case _:
            points = random_points(subject, dice)
    return overlay, quants, points


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_a_sheet_like_another_has_the_keys_that_it_has_alone(kind):
    session, dice = opened(kind), random.Random(3)
    subject, sheet, first_changes = session._subject, random_sheet(session, dice), set()
    for _ in range(60):
        parts = changed(sheet, subject, dice)
        alone = Sheet(subject.program, subject.layers, *parts)
        beside = Sheet(subject.program, subject.layers, *parts, like=sheet)
        asked = dice.sample(range(len(alone.keys)), 3)
        assert [beside.keys[place] for place in asked] == [alone.keys[place] for place in asked]
        assert list(beside.keys) == list(alone.keys)
        first_changes.add(next((k for k, key in enumerate(alone.keys) if key != sheet.keys[k]), None))
        sheet = beside
    assert len(first_changes) > 3


def test_what_an_overlay_gets_on_top_is_hashed_and_nothing_else(monkeypatch):
    session, dice = opened(Residual), random.Random(5)
    subject = session._subject
    overlay = random_sheet(session, dice).overlay.updated(
        tensors={layer.weight: subject.program.state[layer.weight] * 2 for layer in subject.layers}
    )
    before, last = {**overlay.keys, **overlay.bias_keys}, subject.layers[-1]
    hashed = []
    real = overlay.updated.__globals__["tensor_key"]
    monkeypatch.setitem(overlay.updated.__globals__, "tensor_key", lambda t: (hashed.append(t), real(t))[1])
    more = overlay.updated(tensors={last.weight: subject.program.state[last.weight] * 3})
    assert {step for step, key in more.keys.items() if key != before[step]} == {last.weight}
    assert more.bias_keys == overlay.bias_keys
    assert len(hashed) == 1


def test_threads_that_ask_at_once_make_each_key_once():
    made = []

    def make(index, before):
        assert len(before) == index
        made.append(index)
        return index.to_bytes(4, "big")

    keys = Keys(5_000, make, [(0).to_bytes(4, "big")])
    places = random.Random(0).choices(range(5_000), k=400)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(keys.__getitem__, places)) == [place.to_bytes(4, "big") for place in places]
    assert made == list(range(1, max(places) + 1))
    assert keys[-1] == keys[4_999] and keys[2:4] == [keys[2], keys[3]] and len(keys) == 5_000
    with pytest.raises(IndexError):
        keys[5_000]


def laid_out(order):
    return [(one.target, one.sources, one.steps, one.frees, one.over) for one in order]


@pytest.mark.parametrize("kind", [Residual, Attention])
def test_a_walk_computes_nothing_twice_whatever_walks_were_laid_out_before(kind):
    subject, dice = opened(kind)._subject, random.Random(1)
    shared = Stations(subject.program, subject.layers)
    steps = [step.index for step in subject.program.steps if step.kind == "op"]
    steps = [index for index in steps if not subject.program.constant[index]]
    for _ in range(80):
        wanted = tuple(sorted(dice.sample(steps, dice.choice([1, 1, 2, 4]))))
        order = shared.order(wanted)
        assert laid_out(order) == laid_out(Stations(subject.program, subject.layers).order(wanted))
        computed = [index for segment in order for index in segment.steps]
        assert len(computed) == len(set(computed))
        ends = {segment.target for segment in order}
        assert set(wanted) <= ends and all(ends.issuperset(segment.sources) for segment in order)

"""Layers timed by small graphs: alike layers once, kept in the journal; no time where floats would be multiplied.

Nothing here asserts a time.
"""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from torch import nn

import qdebug
from qdebug.engine import Work
from qdebug.errors import QDebugError, RecipeError, UsageError
from qdebug.recipes import FLOAT, LayerPlan, parse_activation_format
from qdebug.search.mixed import Wish, search
from qdebug.search.mixed.costs import costs, float_cost
from qdebug.search.mixed.wish import formats_of, plan_of
from qdebug.search.sweep.journal import Journal
from qdebug.targets import find_device
from qdebug.verify import layer_times
from qdebug.verify.kernel_times import graphs, layers, timed
from qdebug.verify.kernel_times.shapes import Shape, shape_of
from tests.networks import Attention, Residual, data_for, seeded

FORMATS = formats_of(["w32a32", "w8a8-pc", "int4g32"])
CONV = Shape("Conv", (1, 3, 8, 8), (4, 3, 3, 3), (2, 2), (1, 1), (1, 1, 1, 1), 1, bias=True)


@pytest.fixture(scope="module", params=[Residual, Attention])
def session(request):
    return qdebug.open(seeded(request.param), data_for(request.param, 16))


@pytest.fixture
def asked(monkeypatch):
    """Which shapes and formats are timed; each gets as many seconds as its place in the order."""
    seen: list[tuple[Shape, tuple[LayerPlan, ...]]] = []

    def answer(shape, plans, between, threads, work):
        seen.append((shape, tuple(plans.values())))
        return {label: timed.Answer(1e-3 * len(seen), 1e-4, 1e-2) for label in plans}

    monkeypatch.setattr(timed, "timed", answer)
    return seen


def test_alike_layers_are_timed_once_and_each_has_a_time(session, asked):
    found = layer_times(session, FORMATS)
    shapes = [shape for shape, _ in asked]
    infos, own = session.info().layers, session.subject.layers
    every = [shape_of(session, layer, info)[0] for layer, info in zip(own, infos, strict=True)]
    assert len(shapes) == len(set(shapes)) == len(set(every))
    for info, shape in zip(infos, every, strict=True):
        assert found.seconds[info.name, LayerPlan()] == pytest.approx(1e-3 * (1 + shapes.index(shape)))


def test_query_and_key_are_alike():
    session = qdebug.open(seeded(Attention), data_for(Attention, 16))
    infos = {info.name: info for info in session.info().layers}
    own = {layer.name: layer for layer in session.subject.layers}
    query, key = (shape_of(session, own[name], infos[name]) for name in "qk")
    assert query == key


def test_the_journal_answers_the_second_time_and_knows_threads_apart(session, asked, tmp_path):
    first = layer_times(session, FORMATS, journal=Journal(tmp_path))
    count = len(asked)
    assert count
    again = layer_times(session, FORMATS, journal=Journal(tmp_path))
    assert len(asked) == count
    assert (again.seconds, again.reasons) == (first.seconds, first.reasons)
    layer_times(session, FORMATS, journal=Journal(tmp_path), threads=2)
    assert len(asked) == 2 * count
    layer_times(session, FORMATS, journal=Journal(tmp_path), between=parse_activation_format("int8"))
    assert len(asked) == 3 * count


def test_a_new_format_alone_is_timed_beside_what_is_known(session, asked, tmp_path):
    layer_times(session, FORMATS[:1], journal=Journal(tmp_path))
    asked.clear()
    layer_times(session, FORMATS[:2], journal=Journal(tmp_path))
    assert asked
    assert all(FORMATS[0][1] not in plans for _, plans in asked)


def test_another_machine_is_another_time(session, asked, tmp_path, monkeypatch):
    layer_times(session, FORMATS, journal=Journal(tmp_path))
    count = len(asked)
    monkeypatch.setattr(layers, "machine", lambda: "another processor × 128")
    assert "another processor × 128" in layer_times(session, FORMATS, journal=Journal(tmp_path)).words
    assert len(asked) == 2 * count


def test_what_the_runtime_refuses_is_not_timed_and_said(asked):
    session = qdebug.open(seeded(Residual), data_for(Residual, 16))
    found = layer_times(session, FORMATS)
    convolutions = [info for info in session.info().layers if info.kind == "conv"]
    assert not any((info.name, FORMATS[2][1]) in found.seconds for info in convolutions)
    assert any("a convolution" in reason and "int4" in reason for reason in found.reasons)


@pytest.mark.parametrize(("plan", "between"), [
    (FORMATS[0][1], FLOAT), (FORMATS[1][1], FLOAT), (FORMATS[1][1], parse_activation_format("int8")),
])  # fmt: skip
def test_real_kernels_run_a_convolution(plan, between):
    (answer,) = timed.timed(CONV, {"plan": plan}, between, 1, Work()).values()
    assert not answer.reason
    assert 0 < answer.low <= answer.median <= answer.high


@pytest.mark.parametrize(
    "shape",
    [
        Shape("MatMul", (1, 5, 32), (32, 6), bias=True),
        Shape("MatMul", (1, 5, 32), (32, 6)),
        Shape("Gemm", (1, 32), (32, 6), bias=True),
    ],
)
def test_real_kernels_run_products(shape):
    plans = dict(FORMATS[:2])
    assert not any(one.reason for one in timed.timed(shape, plans, FLOAT, 1, Work()).values())


def test_four_bits_are_timed_where_the_runtime_multiplies_them():
    shape = Shape("MatMul", (1, 5, 32), (32, 6))
    assert not timed.timed(shape, {"four": FORMATS[2][1]}, FLOAT, 1, Work())["four"].reason


def test_what_would_be_computed_in_floats_has_no_time():
    shape = Shape("MatMul", (1, 5, 64), (64, 6))
    (answer,) = timed.timed(shape, {"plan": formats_of(["apot4-pc"])[0][1]}, FLOAT, 1, Work()).values()
    assert answer.reason
    assert answer.median == 0.0


def test_between_layers_codes_go_in_and_out(tmp_path):
    graphs.write(CONV, tmp_path / "float.onnx")
    timed._write(CONV, FORMATS[1][1], tmp_path / "float.onnx", tmp_path / "codes.onnx")
    graphs.without_doors(tmp_path / "codes.onnx")
    graph = onnx.load(tmp_path / "codes.onnx").graph
    onnx.checker.check_model(str(tmp_path / "codes.onnx"))
    assert graph.input[0].type.tensor_type.elem_type == graph.output[0].type.tensor_type.elem_type
    (fed,) = graphs.feeds(tmp_path / "codes.onnx", CONV).values()
    assert fed.dtype == np.uint8


def test_a_search_takes_the_times_as_they_are(asked, session):
    times = layer_times(session, FORMATS[:2])
    wish = Wish(FORMATS[:2], unit="seconds", times=times)
    table, fixed = costs(session.info(), wish)
    for place, info in enumerate(session.info().layers):
        for column, (_, plan) in enumerate(FORMATS[:2]):
            expected = times.seconds.get((info.name, plan_of(info, plan)), np.nan)
            assert table[place, column] == pytest.approx(expected, nan_ok=True)
    assert float_cost(session.info(), wish) == pytest.approx(table[:, 0].sum() + fixed)
    found = search(session, wish, confirm=0)
    assert found.timed.startswith("measured here (ONNX Runtime")
    assert found.untimed == times.reasons


def test_a_layer_without_any_time_is_one_clear_error(asked):
    session = qdebug.open(seeded(Residual), data_for(Residual, 16))
    formats = formats_of(["int4g32", "w16a16"])
    with pytest.raises(RecipeError, match="known cost"):
        search(session, Wish(formats, unit="seconds", times=layer_times(session, formats)))
    bare = nn.Sequential(nn.Conv1d(2, 3, 3))
    line = qdebug.open(bare, {"input": np.zeros((4, 2, 9), np.float32)})
    times = layer_times(line, FORMATS)
    assert times.seconds == {}
    assert "no convolution over two axes" in times.reasons[0]
    with pytest.raises(UsageError, match="in float is not known"):
        float_cost(line.info(), Wish(FORMATS, unit="seconds", times=times))


def test_a_device_models_where_nothing_was_timed(session):
    device = find_device("raspberry-pi-5")
    wish = Wish(FORMATS, unit="seconds", device=device)
    assert 0 < float_cost(session.info(), wish) < np.inf
    assert search(session, wish, confirm=0).timed == ""


def test_errors_of_writing_are_reasons_not_ends(monkeypatch):
    def broken(*_):
        raise QDebugError("No way to write it", do="Try another.")

    monkeypatch.setattr(timed, "_write", broken)
    found = timed.timed(CONV, {"float": LayerPlan(), "w8a8": FORMATS[1][1]}, FLOAT, 1, Work())
    assert not found["float"].reason
    assert found["w8a8"].reason == "No way to write it"

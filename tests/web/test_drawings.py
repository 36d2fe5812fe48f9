"""Charts are drawn once and shown to everybody; whatever they depend on is in the key, so none is ever out of date."""

import ast
import copy
import dataclasses
import importlib
import threading
from pathlib import Path

import msgspec
import plotly.io
import pytest

import qdebug
from qdebug.figures import (
    before_after,
    channel_ranges,
    error_parts,
    error_split,
    mean_shift,
    share_bars,
    tensor_histogram,
)
from qdebug.results import TensorView
from qdebug.web.core.drawings import Drawings, finished, key_of
from tests.figures.values import detail, error, float_view, ranges, shares, view

ROOT = Path(qdebug.__file__).parents[1]
PAGES = sorted([*(ROOT / "qdebug/web").rglob("*.py"), *(ROOT / "pages").rglob("*.py")])
CALLS = [
    (tensor_histogram, (view(), "weights"), {"dark": False}),
    (tensor_histogram, (float_view(), "weights"), {"dark": True, "log": False, "reach": (-1.0, 2.0)}),
    (channel_ranges, (ranges([1.0, 2.0, 48.0], outliers=(2,), ratio=48.0), "channel"), {"dark": False}),
    (before_after, (ranges([1.0, 48.0]), ranges([1.0, 1.0])), {"dark": False}),
    (error_split, (error_parts(error(), error()),), {"dark": True}),
    (mean_shift, (detail(),), {"dark": False}),
    (share_bars, (shares(a=0.7, b=0.3), {"a": "int8"}, "accuracy"), {"dark": False, "sort": True, "worst": ("a",)}),
]


def drawn(drawing):
    return drawing.title, plotly.io.to_json(drawing.figure())


def changed(value):
    """Every value that differs from this one in one place."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, (int, float)):
        yield value + 1
    elif isinstance(value, str):
        yield f"{value}x"
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from (msgspec.structs.replace(value, **{name: one}) for one in changed(getattr(value, name)))
    elif isinstance(value, tuple):
        yield from ((*value[:at], one, *value[at + 1 :]) for at in range(len(value)) for one in changed(value[at]))
        if value:
            yield value[:-1]
    elif dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from (dataclasses.replace(value, **{field.name: one}) for one in changed(getattr(value, field.name)))
    elif isinstance(value, dict):
        yield from ({**value, key: one} for key in value for one in changed(value[key]))
        yield {**value, "other": "int4"}


def calls_of(name, path):
    return [
        node
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == name
    ]


@pytest.mark.parametrize("draw, args, options", CALLS)
def test_what_is_kept_is_what_would_be_drawn_now(draw, args, options):
    store = Drawings()
    first = store.of(draw, *args, **options)
    fresh = draw(*args, **options)
    assert drawn(first) == drawn(finished(fresh))
    assert first.title == draw(*args, **options).layout.title.text
    again = copy.deepcopy(args)
    assert store.of(draw, *again, **options) is first, "the same result, received again, is drawn again"


@pytest.mark.parametrize("draw, args, options", CALLS)
def test_no_change_of_anything_goes_unseen(draw, args, options):
    keys = {key_of(draw, *args, **options)}
    variants = [*((one, options) for one in changed(args)), *((args, one) for one in changed(options))]
    keys |= {key_of(draw, *one, **other) for one, other in variants}
    assert len(variants) > 4
    assert len(keys) == len(variants) + 1


def test_a_changed_result_is_drawn_anew():
    store = Drawings()
    store.of(tensor_histogram, view(), "weights", dark=False)
    for one in changed(view()):
        if len(one.histogram.counts) == len(view().histogram.counts):
            kept = store.of(tensor_histogram, one, "weights", dark=False)
            assert drawn(kept) == drawn(finished(tensor_histogram(one, "weights", dark=False)))


def test_two_functions_draw_two_pictures_of_the_same_values():
    assert key_of(mean_shift, detail(), dark=False) != key_of(channel_ranges, detail(), dark=False)


def test_values_of_two_types_are_two_even_if_written_alike():
    class Alike(msgspec.Struct):
        histogram: object

    one = Alike(1)
    other = type("Other", (msgspec.Struct,), {"__annotations__": {"histogram": object}})(1)
    assert key_of(tensor_histogram, one, "a", dark=True) != key_of(tensor_histogram, other, "a", dark=True)


def test_only_functions_that_depend_on_nothing_else_are_kept():
    with pytest.raises(TypeError, match="no function of qdebug.figures"):
        key_of(lambda values: mean_shift(values, dark=True), detail())
    with pytest.raises(TypeError, match="no function of qdebug.figures"):
        key_of(finished, detail())
    with pytest.raises(TypeError):
        key_of(mean_shift, object(), dark=True)


def test_the_store_is_bounded_and_forgets_what_was_not_looked_at():
    one = Drawings().of(mean_shift, detail(), dark=False)
    store = Drawings(3 * one.characters + 100)
    views = [detail(mean_shift=0.2 + number) for number in range(3)]
    kept = [store.of(mean_shift, found, dark=False) for found in views]
    assert store.of(mean_shift, views[0], dark=False) is kept[0]
    store.of(mean_shift, detail(mean_shift=9.0), dark=False)
    assert store.characters <= 3 * one.characters + 100
    assert store.of(mean_shift, views[0], dark=False) is kept[0]
    assert store.of(mean_shift, views[1], dark=False) is not kept[1]


def test_a_drawing_that_is_too_large_to_keep_is_drawn_all_the_same():
    store = Drawings(10)
    assert store.of(mean_shift, detail(), dark=False).title
    assert store.characters == 0


def test_threads_that_draw_the_same_at_once_leave_one():
    store, begin, found = Drawings(), threading.Barrier(4), []

    def draw():
        begin.wait()
        found.append(store.of(mean_shift, detail(), dark=True))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len({drawn(one) for one in found}) == 1
    assert store.characters == found[0].characters


def test_a_figure_of_ones_own_stays_one_that_can_be_changed():
    figure = tensor_histogram(view(), "weights", dark=False)
    with pytest.raises(ValueError, match="Invalid property"):
        figure.update_layout(no_such_thing=1)
    figure.update_layout(height=1)
    assert finished(figure).content["layout"]["height"] == 1
    assert figure.layout.title.text, "the figure itself keeps its title"


def test_every_chart_of_the_app_is_drawn_by_a_function_of_the_figures_and_told_the_theme():
    found = [(path, call) for path in PAGES for call in calls_of("chart.of", path)]
    shown = [call for path in PAGES for call in calls_of("chart.show", path)]
    assert len(found) > 55
    assert len(found) >= len(shown) > 50
    for path, call in found:
        assert "dark" in {word.arg for word in call.keywords}, (path, ast.unparse(call))
    for path in PAGES:
        for call in calls_of("chart.show", path):
            first = call.args[0]
            direct = isinstance(first, ast.Call)
            assert not direct or ast.unparse(first.func) == "chart.of", (path, ast.unparse(first))


def test_the_functions_that_draw_are_where_the_key_says():
    assert importlib.import_module(tensor_histogram.__module__).tensor_histogram is tensor_histogram
    assert isinstance(view(), TensorView)

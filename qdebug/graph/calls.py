"""Executing one step: arguments filled in, operator called."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Ref, Step, refs
from qdebug.graph.recurrence import ProductAt

Values = Any
"""Anything that gives a value by step index."""


def call(program: Program, index: int, values: Values) -> Any:
    """Execute one step on given values (indexable by step)."""
    return compiled(program.steps[index])(values)


def compiled(step: Step) -> Callable[[Values], Any]:
    """A function that executes the step. Arguments that never change are laid out once, here, not at each call."""
    target = step.target
    assert target is not None
    places = tuple((place, arg.index) for place, arg in enumerate(step.args) if isinstance(arg, Ref))
    nested = tuple(
        (place, arg) for place, arg in enumerate(step.args) if not isinstance(arg, Ref) and any(True for _ in refs(arg))
    )
    keywords = dict(step.kwargs)
    changing = any(True for _ in refs(keywords))
    layout = list(step.args)

    def run(values: Values) -> Any:
        args = layout.copy()
        for place, index in places:
            args[place] = values[index]
        for place, template in nested:
            args[place] = fill(template, values)
        return target(*args, **(fill(keywords, values) if changing else keywords)) if keywords else target(*args)

    return run


def compiled_layer(step: Step, layer: Layer) -> Callable[[Values, Any, Any, Any], Any]:
    """A function that executes a layer's step on an input, a weight and, where not None, a bias that it is given."""
    target = step.target
    assert target is not None
    length = max(len(step.args), -1 if layer.bias_argument is None else layer.bias_argument + 1)
    layout = list(step.args) + [None] * (length - len(step.args))
    given = (layer.x_argument, layer.weight_argument)
    others = tuple(
        (place, arg) for place, arg in enumerate(layout) if place not in given and any(True for _ in refs(arg))
    )
    keywords = dict(step.kwargs)

    def run(values: Values, x: Any, weight: Any, bias: Any) -> Any:
        args = layout.copy()
        for place, template in others:
            args[place] = fill(template, values)
        args[layer.x_argument], args[layer.weight_argument] = x, weight
        if bias is not None and layer.bias_argument is not None:
            args[layer.bias_argument] = bias
        result = target(*args, **fill(keywords, values)) if keywords else target(*args)
        return result + bias if bias is not None and layer.bias_argument is None else result

    return run


def compiled_loop(step: Step) -> Callable[[Values, ProductAt], Any]:
    """A function that walks a sequence (:func:`qdebug.graph.recurrence.states`) with products that it is given."""
    target, keywords = step.target, dict(step.kwargs)
    assert target is not None

    def run(values: Values, product: ProductAt) -> Any:
        return target(*fill(step.args, values), product=product, **keywords)

    return run


def fill(template: Any, values: Values) -> Any:
    """An argument template with values in the place of references."""
    kind = type(template)
    if kind is Ref:
        return values[template.index]
    if kind is tuple or kind is list:
        return [fill(item, values) for item in template]
    if kind is dict:
        return {key: fill(item, values) for key, item in template.items()}
    return template

"""What recipes are judged by: a metric's name, a function, or the file of one, made a metric."""

from __future__ import annotations

import inspect
import secrets
from collections.abc import Callable
from pathlib import Path

from qdebug.doors.function import is_function, read_function
from qdebug.errors import MetricError, UsageError
from qdebug.measure import OwnMetric
from qdebug.measure.scores import Named
from qdebug.results.score import TITLES, is_fraction

Asked = str | Callable[..., object] | None
"""A name, ``path/to/file.py:function``, a function, or None for what fits the data."""
_TAKEN = (*TITLES, "perplexity")


def own_metric(asked: Asked) -> str | OwnMetric | None:
    """A name as it is; a function as a metric.

    A function is called as :class:`~qdebug.measure.OwnMetric` says. What is kept on disk is kept by the content of its
    file; a function that was given as such is taken for a new one in each process.

    Raises:
        FileError: there is no such file.
        MetricError: its file fails, or the function's name or attributes are not what they must be.
        UsageError: it is neither a name nor a function.
    """
    if asked is None or isinstance(asked, OwnMetric):
        return asked
    if isinstance(asked, str):
        if not is_function(asked):
            return asked
        function, digest = read_function(asked)
        name = asked.rpartition(":")[2]
        return OwnMetric(function, _named(function, name), f"{digest}:{name}", _place(function))
    if not callable(asked):
        raise UsageError(
            f"metric cannot be of the type {type(asked).__name__}", do="Give a name such as 'top5', or a function."
        )
    name = getattr(asked, "__name__", type(asked).__name__)
    return OwnMetric(
        asked, _named(asked, "metric" if name == "<lambda>" else name), secrets.token_hex(16), _place(asked)
    )


def _named(function: Callable[..., object], name: str) -> Named:
    """The metric's name, direction and unit.

    Raises:
        MetricError: the name is that of a metric here, or an attribute is of another type.
    """
    if is_fraction(name) or name in _TAKEN:
        raise MetricError(
            f"The function is called '{name}', as a metric of qdebug's is", file=_place(function) or None,
            do="Call it otherwise, so that nobody takes the one for the other.",
        )  # fmt: skip
    better, unit = getattr(function, "higher_is_better", True), getattr(function, "unit", "")
    for attribute, value, kind in (("higher_is_better", better, bool), ("unit", unit, str)):
        if not isinstance(value, kind):
            raise MetricError(
                f"'{attribute}' of the metric '{name}' is {value!r}", file=_place(function) or None,
                do=f"Give a {'truth value' if kind is bool else 'text'}.",
            )  # fmt: skip
    return Named(name, better, unit)


def _place(function: Callable[..., object]) -> str:
    """``file.py:12``; empty where that is not known."""
    try:
        plain = inspect.unwrap(function)
        return f"{Path(inspect.getsourcefile(plain) or '').name}:{inspect.getsourcelines(plain)[1]}"
    except (TypeError, OSError):
        return ""

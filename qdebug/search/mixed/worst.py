"""The worst class or group: whose samples it is, and what it lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdebug.errors import UsageError
from qdebug.results import Metric, Subgroup
from qdebug.results.score import is_fraction
from qdebug.session import Session

LEAST = 10
"""Samples of a class or group that may decide: of fewer, the worst is mostly chance."""


@dataclass(frozen=True, eq=False)
class Members:
    """The samples of a class or group, by their places in the evaluation data."""

    called: str
    places: NDArray[np.int64]


def members(session: Session) -> tuple[Members, ...]:
    """Every class and group whose samples can be told apart, of :data:`LEAST` samples or more.

    Pixels of a class are in no sample of their own: such classes are none of these.
    """
    data, found = session.subject.data, list[Members]()
    candidates = {"class": data.labels.numpy() if data.labels is not None else None, "group": data.group}
    if session.info().task != "classification":
        candidates["class"] = None
    for key, values in candidates.items():
        if values is None or values.ndim != 1:
            continue
        names, of = np.unique(values, return_inverse=True)
        for place, name in enumerate(names):
            places = np.flatnonzero(of.reshape(-1) == place)
            if len(names) > 1 and len(places) >= LEAST:
                found.append(Members(f"{key} {name}", places))
    return tuple(found)


def worst_row(metric: Metric, rows: Sequence[Subgroup]) -> Subgroup:
    """The row of :data:`LEAST` samples or more that lost most, as :func:`lost` counts it, even if that is nothing.

    Raises:
        UsageError: there is none.
    """
    fit = [row for row in rows if row.n >= LEAST]
    if not fit:
        raise UsageError(
            f"The data have no classes or groups of {LEAST} samples or more, so none is the worst",
            do="Judge by the mean, or give the data labels or a key 'group'.",
        )
    return max(fit, key=lambda row: (lost(metric, row), row.n))


def lost(metric: Metric, of: Metric | Subgroup) -> float:
    """What the metric lost, overall or in a row, as a fraction.

    Of predictions, and of a cosine as it is; of a plain output's size; else of the float value's size, or of the float
    output's power where errors are to that. inf where it is no number.
    """
    if np.isnan(of.quantized):
        return float("inf")
    if metric.name == "sqnr_db":
        return float(10 ** (-of.quantized / 20))
    fall = of.float_ - of.quantized if metric.higher_is_better else of.quantized - of.float_
    if is_fraction(metric.name) or metric.name == "cosine":
        return fall
    size = metric.power if metric.name == "mse_to_float" else abs(of.float_)
    return fall / size if size > 0 else fall

"""The metric by class and by group: whether a mean hides that a few pay for all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from qdebug.results.base import Result

Key = Literal["class", "group"]


class Subgroup(Result, frozen=True, kw_only=True):
    """One class, or one group that the data name.

    Attributes:
        key: ``class`` (samples or pixels of one label) or ``group`` (the ``group`` key of the data).
        name: the label, or the group's name.
        n: its samples; of a class of pixels the images that show it.
        float_: the float model's metric on it (``float`` in JSON).
        quantized: the quantized model's.
        delta: quantized minus float.
        ci95: paired 95 % interval of delta, of this row alone.
        flips: its predictions whose top-1 changed.
        predictions: how many those are out of.
        p: of no change, adjusted for all rows (Holm); None where no label tells right from wrong.
        significant: whether ``p`` is at most 0.05: with 95 % confidence no row that did not change is called so.
        output_db: SQNR of the output against the float model's, where the task has outputs that are no class scores.
    """

    key: Key
    name: str
    n: int
    float_: float = msgspec.field(name="float")
    quantized: float
    delta: float
    ci95: tuple[float, float]
    flips: int
    predictions: int
    p: float | None
    significant: bool
    output_db: float | None = None

    @property
    def called(self) -> str:
        """The row in words: ``class 7``."""
        return f"{self.key} {self.name}"


def loss(row: Subgroup, higher_is_better: bool) -> float:
    """How much a row lost, in the unit of the metric; below 0 where it gained."""
    return -row.delta if higher_is_better else row.delta


def worst_group(
    rows: Sequence[Subgroup],
    higher_is_better: bool,
    *,
    key: Key | None = None,
    least: int = 1,
    significant: bool = False,
) -> Subgroup | None:
    """The row that lost most, for a budget on the worst group instead of the mean.

    Args:
        rows: the rows.
        higher_is_better: whether a fall of the metric is a loss.
        key: only classes, or only groups.
        least: rows of fewer samples are passed over: the largest of many small rows' losses is mostly chance.
        significant: only rows that changed more than chance explains.

    Returns:
        The row; None where no row that is asked for lost anything.
    """
    fit = [row for row in rows if row.n >= least and (key is None or row.key == key)]
    fit = [row for row in fit if loss(row, higher_is_better) > 0 and (row.significant or not significant)]
    return max(fit, key=lambda row: (loss(row, higher_is_better), row.n), default=None)

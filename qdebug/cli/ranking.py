"""Several weight formats under the same recipe, best first."""

from __future__ import annotations

import math
import re

from qdebug.cli.output import table
from qdebug.results import Metric, Result, Size


class Ranked(Result, frozen=True, kw_only=True):
    """One format's score."""

    weight_format: str
    metric: Metric
    size: Size
    seconds: float


class Ranking(Result, frozen=True, kw_only=True):
    """What ``qdebug evaluate`` prints where several weight formats are named: the best first."""

    model: str
    digest: str
    n: int
    calibration: str
    ranking: tuple[Ranked, ...]


def several(text: str | None) -> tuple[str, ...]:
    """The weight formats that an option names, apart by commas or bars."""
    return tuple(dict.fromkeys(part.strip() for part in re.split(r"[,|]", text or "") if part.strip()))


def ordered(rows: list[Ranked]) -> tuple[Ranked, ...]:
    """The best metric first; of equals the smaller. What has no number for a metric comes last."""

    def place(row: Ranked) -> tuple[bool, float, int]:
        value = row.metric.quantized
        known = 0.0 if math.isnan(value) else -value if row.metric.higher_is_better else value
        return math.isnan(value), known, row.size.quantized_bytes

    return tuple(sorted(rows, key=place))


def describe(found: Ranking) -> str:
    """The ranking as text."""
    from qdebug.figures import numbers

    first = found.ranking[0].metric
    title = numbers.metric_title(first.name)
    rows = [
        (row.weight_format, numbers.metric_value(first.name, row.metric.quantized), numbers.count(row.metric.flips),
         numbers.size(row.size.quantized_bytes), numbers.three(row.size.bits_per_weight))
        for row in found.ranking
    ]  # fmt: skip
    best = found.ranking[0]
    float_ = numbers.metric_value(first.name, first.float_)
    return "\n".join([
        f"{found.model}: {best.weight_format} does best ({title} of the float model {float_}).", "",
        table(("weights", title, "flips", "size", "bits per weight"), rows, align="<>>>>"),
    ])  # fmt: skip

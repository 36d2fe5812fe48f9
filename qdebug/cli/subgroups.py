"""The metric by class and by group as text."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from qdebug.cli.output import table
from qdebug.results import Metric, Subgroup

_WIDTH = 110
MOST = 12
"""Rows that are printed; ``--json`` has all."""


def describe(metric: Metric, rows: Sequence[Subgroup]) -> list[str]:
    """The finding, then the rows that lost most."""
    from qdebug.figures.subgroups import subgroups_finding, worst_first

    ordered = worst_first(metric, rows)
    shown = ordered[:MOST]
    rest = [f"… and {len(ordered) - MOST} more that lost less (--json has all)"] if len(ordered) > MOST else []
    note = "95 % intervals are each row's own; p is adjusted for all rows (Holm)"
    return [textwrap.fill(f"{subgroups_finding(metric, rows)}.", _WIDTH), _rows(metric, shown), *rest, note]


def _rows(metric: Metric, rows: Sequence[Subgroup]) -> str:
    from qdebug.figures.numbers import count, metric_change, metric_value
    from qdebug.figures.subgroups import p_words
    from qdebug.figures.text import shorten

    cells = [
        (
            row.key, shorten(row.name, 32), count(row.n), metric_value(metric.name, row.float_),
            metric_value(metric.name, row.quantized), metric_change(metric.name, row.delta)[0],
            " to ".join(metric_change(metric.name, end)[0] for end in row.ci95), count(row.flips), p_words(row.p),
        )
        for row in rows
    ]  # fmt: skip
    header = ("", "", "samples", "float", "quantized", "change", "95 % interval", "flips", "adjusted p")
    return table(header, cells, align="<<>>>>>>>")

"""Which layers hurt in which format, in words and pictures."""

from __future__ import annotations

from qdebug.figures.numbers import percent
from qdebug.results import Sensitivity, SensitivityRow

_MOST = 0.8


def known(row: SensitivityRow) -> float | None:
    """The measured error, or the predicted one where it was not measured."""
    return row.predicted if row.exact is None else row.exact


def finding(found: Sensitivity) -> str:
    """The finding in one sentence, of the format in which layers differ most."""
    formats = [name for name in found.formats if any(known(row) for row in found.of_format(name))]
    if not formats:
        return "no layer's quantization changes the output"
    name = max(formats, key=lambda one: sum(known(row) or 0.0 for row in found.of_format(one)))
    rows = sorted(found.of_format(name), key=lambda row: -(known(row) or 0.0))
    total = sum(known(row) or 0.0 for row in rows)
    leading: list[SensitivityRow] = []
    for row in rows:
        if sum(known(one) or 0.0 for one in leading) >= _MOST * total:
            break
        leading.append(row)
    part = percent(sum(known(one) or 0.0 for one in leading) / total)
    who = f"{len(leading)} of {len(rows)} layers make{'s' if len(leading) == 1 else ''}"
    what = "of the error" if all(one.exact is not None for one in rows) else "of the predicted error"
    return f"in {name}, {who} {part} {what}; most harmful is {rows[0].layer}"

"""Which layers hurt in which format, in words."""

from __future__ import annotations

from typing import Literal

from qdebug.figures.numbers import percent
from qdebug.figures.text import listed, plural
from qdebug.results import Sensitivity, SensitivityRow

Part = Literal["both", "weight", "activation"]
"""What of a layer is quantized; its weight or its input alone is predicted, never measured."""

_MOST = 0.8
_THIRDS = ("first", "middle", "last")
_OF = {"both": "", "weight": " of weights", "activation": " of inputs"}


def known(row: SensitivityRow, part: Part = "both") -> float | None:
    """The measured error, or the predicted one where it was not measured."""
    if part != "both":
        return row.weight if part == "weight" else row.activation
    return row.predicted if row.exact is None else row.exact


def is_measured(row: SensitivityRow, part: Part = "both") -> bool:
    """Whether what is known of a row was measured."""
    return part == "both" and row.exact is not None


def leading_format(found: Sensitivity, part: Part = "both") -> str | None:
    """The format in which layers do most harm; None where none does any."""
    formats = [name for name in found.formats if _total(found, name, part)]
    return max(formats, key=lambda name: _total(found, name, part)) if formats else None


def finding(found: Sensitivity, part: Part = "both") -> str:
    """The finding in one sentence, of the format in which layers do most harm."""
    name = leading_format(found, part)
    if name is None:
        return "no layer's quantization changes the output"
    rows = sorted(found.of_format(name), key=lambda row: -(known(row, part) or 0.0))
    total = _total(found, name, part)
    leading: list[SensitivityRow] = []
    for row in rows:
        if sum(known(one, part) or 0.0 for one in leading) >= _MOST * total:
            break
        leading.append(row)
    share = percent(sum(known(one, part) or 0.0 for one in leading) / total)
    who = f"{len(leading)} of {plural(len(rows), 'layer')} make{'s' if len(leading) == 1 else ''}"
    what = "error" if all(is_measured(one, part) for one in rows if not one.refused) else "predicted error"
    return f"in {name}, {who} {share} of the {what}{_OF[part]}; most harmful is {rows[0].layer}"


def depth_finding(found: Sensitivity, part: Part = "both") -> str:
    """Which third of the network the harm sits in, in words."""
    name = leading_format(found, part)
    if name is None:
        return "No layer's quantization changes the output"
    rows, total = found.of_format(name), _total(found, name, part)
    sums = [0.0, 0.0, 0.0]
    for place, row in enumerate(rows):
        sums[3 * place // len(rows)] += known(row, part) or 0.0
    third = max(range(3), key=sums.__getitem__)
    if len(rows) < 3 or sums[third] < 0.5 * total:
        return f"In {name}, the harm is spread over the network's depth"
    return f"In {name}, {percent(sums[third] / total)} of the harm is done in the {_THIRDS[third]} third of the network"


def agreement_finding(found: Sensitivity) -> str:
    """How far measured errors are from predicted ones, in words."""
    both = [row for row in found.rows if row.predicted is not None and row.exact is not None]
    if not both:
        return "Nothing has been measured yet"
    outside = [row for row in both if row.linear is False]
    inside = f"{len(both) - len(outside)} of {plural(len(both), 'measured error')} came out as predicted"
    if not outside:
        return inside
    outside.sort(key=lambda row: -max(row.exact or 0.0, row.predicted or 0.0))
    who = listed(tuple(f"{row.layer} in {row.format}" for row in outside), most=2)
    return f"{inside}; outside the linear regime: {who}"


def unit(found: Sensitivity) -> str:
    """What the errors are, with their unit."""
    return {
        "squared": "squared change of the output per sample",
        "kl": "Kullback-Leibler divergence of the output, nats per sample",
    }[found.measure]


def _total(found: Sensitivity, name: str, part: Part) -> float:
    return sum(known(row, part) or 0.0 for row in found.of_format(name))

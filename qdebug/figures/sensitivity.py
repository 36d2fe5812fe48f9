"""Which layers hurt in which format, in words."""

from __future__ import annotations

from typing import Literal

from qdebug.figures.numbers import percent, seconds, share, three
from qdebug.figures.text import listed, plural
from qdebug.results import Order, Sensitivity, SensitivityRow, SweepPlan

Part = Literal["both", "weight", "activation", "without"]
"""What is asked of a layer: what quantizing it does, or its weight or its input alone (predicted, never measured), or
what leaving it float gains where all others are quantized (measured, never predicted)."""

_MOST = 0.8
_THIRDS = ("first", "middle", "last")
_OF = {"both": "", "weight": " of weights", "activation": " of inputs", "without": ""}


def known(row: SensitivityRow, part: Part = "both") -> float | None:
    """The measured error, or the predicted one where it was not measured."""
    match part:
        case "weight":
            return row.weight
        case "activation":
            return row.activation
        case "without":
            return row.gain
        case "both":
            return row.predicted if row.exact is None else row.exact


def harm(row: SensitivityRow, part: Part = "both") -> float:
    """The same where it does harm, else 0: a loss may fall too."""
    return max(known(row, part) or 0.0, 0.0)


def is_measured(row: SensitivityRow, part: Part = "both") -> bool:
    """Whether what is known of a row was measured."""
    return (row.exact if part == "both" else row.gain if part == "without" else None) is not None


def is_partial(row: SensitivityRow, of: int) -> bool:
    """Whether what was measured rests on a part of the samples."""
    return row.exact is not None and 0 < row.n < of


def leading_format(found: Sensitivity, part: Part = "both") -> str | None:
    """The format in which layers do most harm; None where none does any."""
    formats = [name for name in found.formats if _total(found, name, part)]
    return max(formats, key=lambda name: _total(found, name, part)) if formats else None


def finding(found: Sensitivity, part: Part = "both") -> str:
    """The finding in one sentence, of the format in which layers do most harm."""
    if part == "without":
        return _without_finding(found)
    name = leading_format(found, part)
    if name is None:
        return "no layer's quantization changes the output"
    rows = sorted(found.of_format(name), key=lambda row: -(known(row, part) or 0.0))
    total = _total(found, name, part)
    leading: list[SensitivityRow] = []
    for row in rows:
        if sum(harm(one, part) for one in leading) >= _MOST * total:
            break
        leading.append(row)
    share = percent(sum(harm(one, part) for one in leading) / total)
    who = f"{len(leading)} of {plural(len(rows), 'layer')} make{'s' if len(leading) == 1 else ''}"
    what = "added loss" if found.measure == "loss" else "error"
    if not all(is_measured(one, part) for one in rows if not one.refused):
        what = f"predicted {what}"
    elif any(is_partial(one, found.of) for one in rows):
        what = f"{what} seen so far"
    return f"in {name}, {who} {share} of the {what}{_OF[part]}; most harmful is {rows[0].layer}"


def _without_finding(found: Sensitivity) -> str:
    """Which layer it pays most to leave float, in words."""
    best = max((row for row in found.rows if row.gain is not None), key=lambda row: row.gain or 0.0, default=None)
    if best is None or best.gain is None:
        return "what leaving one layer float gains has not been measured yet"
    if best.gain <= 0:
        return "leaving one layer float gains nothing in any of the formats"
    whole = next((one.exact for one in found.whole if one.format == best.format), 0.0)
    part = f" and takes {percent(best.gain / whole)} of the error away" if whole > 0 else ""
    return f"with all layers in {best.format}, it pays most to leave {best.layer} float{part}"


def cost(plan: SweepPlan) -> str:
    """What measuring takes, in words."""
    kept = f"; {three(plan.kept)} passes more are in the journal" if plan.kept else ""
    where = "one core" if plan.cores == 1 else f"{plan.cores} cores"
    return f"{three(plan.passes)} float passes, about {seconds(plan.seconds)} on {where}{kept}"


def sure(order: Order) -> str:
    """How sure the order of layers is, in words."""
    if not order.settled:
        return "not settled: some errors are no numbers"
    ties = ", ".join(f"{one} and {two} in {name}" for name, one, two in order.ties)
    said = "exact on these data" if order.confidence == 1 else f"settled, {percent(order.confidence)} sure"
    return f"{said}; ties: {ties}" if ties else said


def depth_finding(found: Sensitivity, part: Part = "both") -> str:
    """Which third of the network the harm sits in, in words."""
    name = leading_format(found, part)
    if name is None:
        return (
            "What leaving one out gains is not measured yet"
            if part == "without"
            else "No layer's quantization changes the output"
        )
    rows, total = found.of_format(name), _total(found, name, part)
    word = "gain" if part == "without" else "harm"
    sums = [0.0, 0.0, 0.0]
    for place, row in enumerate(rows):
        sums[3 * place // len(rows)] += harm(row, part)
    third = max(range(3), key=sums.__getitem__)
    if len(rows) < 3 or sums[third] < 0.5 * total:
        return f"In {name}, the {word} is spread over the network's depth"
    done = f"{percent(sums[third] / total)} of the {word}"
    return f"In {name}, {done} is {'' if part == 'without' else 'done '}in the {_THIRDS[third]} third of the network"


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
        "kl": "Kullback-Leibler divergence of the output, nats per target",
        "loss": "change of the loss, nats per target; it may fall",
    }[found.measure]


def _total(found: Sensitivity, name: str, part: Part) -> float:
    return sum(harm(row, part) for row in found.of_format(name))


def awaited(row: SensitivityRow) -> str:
    """What part of the error is predicted of one sample that was not measured yet."""
    return f"one sample not measured yet has {share(row.unseen or 0.0)} of the predicted error"

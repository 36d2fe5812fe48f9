"""Mixtures of experts: who gets which part of the tokens."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import msgspec

from qdebug.engine import Batch, Sheet, Work
from qdebug.graph import Layer
from qdebug.results import Finding
from qdebug.results.routing import Routed
from qdebug.session.subject import Subject

_EXPERT = re.compile(r"(?P<expert>.*\bexperts\.\d+)\.\w+")


def expert_of(layer: str) -> str:
    """The expert that a layer belongs to; empty for others."""
    found = _EXPERT.fullmatch(layer)
    return found["expert"] if found else ""


def routing(subject: Subject, sheet: Sheet, work: Work) -> tuple[Routed, ...]:
    """Every expert's share of the tokens, in graph order; none where the model has no experts.

    Args:
        subject: the model and its data.
        sheet: the float model.
        work: progress and cancel.
    """
    firsts: dict[str, Layer] = {}
    for layer in subject.layers:
        if expert := expert_of(layer.name):
            firsts.setdefault(expert, layer)
    if not firsts:
        return ()
    calibration = _shares(subject, sheet, subject.calib_batches, firsts.values(), work)
    evaluation = _shares(subject, sheet, subject.eval_batches, firsts.values(), work)
    return tuple(
        Routed(expert=expert, calibration=calibration[layer.x], evaluation=evaluation[layer.x])
        for expert, layer in firsts.items()
    )


def _shares(
    subject: Subject, sheet: Sheet, batches: Sequence[Batch], layers: Collection[Layer], work: Work
) -> dict[int, float]:
    """The share of rows of each layer's input that are not zero: an expert's input is zero where it is not asked."""
    places = [layer.x for layer in layers]
    used, seen = dict.fromkeys(places, 0), dict.fromkeys(places, 0)
    for done, batch in enumerate(batches):
        work.step(done, len(batches), "counting tokens by expert")
        for place, value in subject.engine.values(sheet, batch, places, work).items():
            rows = batch.real_rows(value).flatten(0, -2)
            used[place] += int(rows.any(-1).sum())
            seen[place] += len(rows)
    return {place: used[place] / max(1, seen[place]) for place in places}


def by_expert(finding: Finding) -> Finding:
    """A finding on an input of zeros, of an expert that no token was routed to, in those words."""
    expert = expert_of(finding.layer)
    if finding.kind != "all-zero" or finding.tensor != "activation" or not expert:
        return finding
    text = f"No token of the calibration data is routed to {expert}: nothing is known of its inputs."
    return msgspec.structs.replace(finding, kind="never-routed", text=text)

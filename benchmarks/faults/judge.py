"""Whether the diagnosis names what was planted."""

from __future__ import annotations

import sys
from dataclasses import dataclass

from benchmarks.faults.cases import Case, case, noise
from qdebug.results import Diagnosis
from qdebug.search.diagnose import diagnose

HAS_NO_FIX = ("nan, weight", "inf, weight")
"""Plants that break the float model too."""


@dataclass(frozen=True)
class Outcome:
    """What became of a case.

    Attributes:
        layer: whether the planted layer comes first.
        kind: whether the first cause is of the planted kind.
        recovered: of the error that the fault adds, the part that the first cause's fix wins back; None where no fix
            exists.
        found: the diagnosis.
    """

    plant: str
    model: str
    seed: int
    layer: bool
    kind: bool
    recovered: float | None
    found: Diagnosis

    @property
    def mended(self) -> bool:
        """Whether the fix wins back nine tenths, or rightly none is given."""
        if self.recovered is None:
            return not self.found.causes or self.found.causes[0].fix is None
        return self.recovered >= 0.9


def judge(given: Case) -> Outcome:
    """Diagnose a case.

    A fix cannot win back what quantization costs the sound network too: a part of that loss counts as all of it.
    """
    planted = given.planted
    found = diagnose(planted.session, planted.recipe)
    first = found.causes[0] if found.causes else None
    recovered = None
    if given.plant not in HAS_NO_FIX:
        added = 1.0 if planted.beside else 1 - noise(*planted.reference) / noise(planted.session, planted.recipe)
        recovered = min(1.0, first.recovered / added) if first and first.fix else 0.0
    sides = {planted.layer, *(layer for layer, _ in planted.also)}
    return Outcome(
        given.plant, given.model, given.seed, first is not None and first.layer in sides,
        first is not None and planted.names(first.layer, first.kind), recovered, found,
    )  # fmt: skip


def outcome(plant: str, model: str, seed: int) -> Outcome | None:
    """What becomes of one case; None where the plant has no place."""
    found = case(plant, model, seed)
    if found is None:
        return None
    judged = judge(found)
    sure = judged.layer and judged.kind and judged.mended
    print(f"{'ok    ' if sure else 'missed'} {plant}, {model}, {seed}", file=sys.stderr, flush=True)
    return judged

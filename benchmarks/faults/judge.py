"""Whether the diagnosis names what was planted."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.faults.cases import Case
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
        recovered: the part of the loss that the first cause's fix wins back; None where no fix exists.
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


def judge(case: Case) -> Outcome:
    """Diagnose a case."""
    found = diagnose(case.planted.session, case.planted.recipe)
    first = found.causes[0] if found.causes else None
    return Outcome(
        case.plant, case.model, case.seed, first is not None and first.layer == case.planted.layer,
        first is not None and first.kind in case.planted.kinds,
        None if case.plant in HAS_NO_FIX else first.recovered if first else 0.0, found,
    )  # fmt: skip

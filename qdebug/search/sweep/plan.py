"""How a sweep is to be run, and what it will cost, known before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from qdebug.errors import UsageError
from qdebug.results import ModelRef, SweepPlan
from qdebug.search.sweep.items import Item
from qdebug.search.sweep.journal import Journal
from qdebug.search.sweep.samples import Samples

Until = Literal["all", "order"]


@dataclass(frozen=True)
class How:
    """How a sweep is run.

    Attributes:
        until: ``all``: every item on all data; ``order``: until the order of layers within each format is settled.
        confidence: how sure the order has to be.
        leave_one_out: whether whole recipes, and these but for one layer, are measured too.
        worst: of each format only so many layers, those predicted to be the most harmful; all for 0.
        cores: worker processes; this process alone for 1. On a cluster: how many workers, as many as it has for 0.
        cluster: the address of a Ray cluster; None for this machine.
        ref: where workers find model and data. None where a session has no place on the disk.
        journal: where measurements are kept and found again; None for nowhere.
    """

    until: Until = "all"
    confidence: float = 0.95
    leave_one_out: bool = False
    worst: int = 0
    cores: int = 1
    cluster: str | None = None
    ref: ModelRef | None = None
    journal: Journal | None = None

    @property
    def is_here(self) -> bool:
        """Whether this process does the work."""
        return self.cluster is None and self.cores <= 1

    def check(self, strange: bool) -> None:
        """Refuse what cannot be.

        Args:
            strange: whether a stranger gave the model's file.

        Raises:
            UsageError: workers are asked for and could not open the model, or a number makes no sense.
        """
        if not 0.5 < self.confidence < 1:
            raise UsageError(
                f"A confidence of {self.confidence} makes no sense", do="Give one above 0.5, such as 0.95."
            )
        if self.worst < 0:
            raise UsageError(f"There are no {self.worst} worst layers", do="Give 1 or more, or 0 for all layers.")
        if self.cores < (0 if self.cluster else 1):
            raise UsageError(f"There are no {self.cores} cores", do="Give 1 or more.")
        if self.is_here:
            return
        if self.ref is None:
            raise UsageError(
                "Workers cannot open a model that was given as a module or as arrays",
                do="Open it by a sample's name or a path, or use one core.",
            )
        if strange:
            raise UsageError("A stranger's model is opened behind walls, not by workers", do="Use one core.")


def planned(
    todo: Sequence[Item], samples: Samples, how: How, forward_seconds: float, left: float, kept: float
) -> SweepPlan:
    """What a sweep costs.

    Args:
        todo: its items.
        samples: the data.
        how: how it is run.
        forward_seconds: one float pass over the data.
        left: what has to be measured, in float passes; what each starts from, a pass for each base, comes on top.
        kept: what the journal has, in float passes.
    """
    passes = left + len({item.base.digest for item in todo}) if left else 0.0
    return SweepPlan(
        items=len(todo), parts=samples.ends, passes=passes, kept=kept, cores=max(how.cores, 1),
        seconds=passes * forward_seconds / max(how.cores, 1),
    )  # fmt: skip

"""What a tool's file can store of one tensor, and the words for what it cannot."""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.formats import find
from qdebug.recipes import TensorPlan

_SHARING = {
    "tensor": "scale per tensor",
    "channel": "scale per output channel",
    "group": "scale per group of input features",
    "block": "scale per tile",
    "token": "scale per token",
}


@dataclass(frozen=True)
class Reach:
    """What can be said of a tensor.

    Attributes:
        tool: its name, for sentences.
        formats: number formats by name.
        sharing: granularities.
        affine: whether a zero point can be said.
        dynamic: whether a range can be left to run time.
        static: whether a range can be fixed before.
    """

    tool: str
    formats: frozenset[str]
    sharing: frozenset[str] = frozenset({"tensor"})
    affine: bool = True
    dynamic: bool = False
    static: bool = True

    def obstacle(self, plan: TensorPlan) -> str | None:
        """Why a quantized tensor's plan cannot be said, as the end of a sentence; None where it can."""
        if plan.format not in self.formats:
            return f"{self.tool} has no {plan.format} here"
        if find(plan.format).is_cast or find(plan.format).own_blocks:
            return None
        dynamic = plan.dynamic or plan.granularity == "token"
        if dynamic and not self.dynamic:
            return f"{self.tool} cannot be told here to find ranges at run time"
        if not dynamic and not self.static:
            return f"{self.tool} cannot be told a fixed range here"
        if plan.granularity not in self.sharing:
            return f"{self.tool} has no {_SHARING[plan.granularity]} here"
        if not plan.symmetric and not self.affine:
            return f"{self.tool} has no zero point here: make it symmetric"
        return None

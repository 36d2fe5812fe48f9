"""How many scales a tensor has."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PerTensor:
    """One scale for all values."""


@dataclass(frozen=True, slots=True)
class PerChannel:
    """One scale per index of ``axis`` (a weight's output channels; -1 and friends count from the end)."""

    axis: int = 0


@dataclass(frozen=True, slots=True)
class PerGroup:
    """One scale per ``size`` consecutive values along ``axis``, apart for every index of the other axes."""

    size: int
    axis: int = 1


@dataclass(frozen=True, slots=True)
class PerBlock:
    """One scale per tile of ``rows`` output channels by ``columns`` input features (2-D blocks, as in DeepSeek-V3)."""

    rows: int
    columns: int


@dataclass(frozen=True, slots=True)
class PerToken:
    """One scale per vector along the last axis, made from the values at hand (so always dynamic)."""


Granularity = PerTensor | PerChannel | PerGroup | PerBlock | PerToken

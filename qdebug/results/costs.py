"""What a layer or a model costs under a recipe. Bytes and bit-operations are counted; seconds and joules are models."""

from __future__ import annotations

from typing import Literal

from qdebug.results.base import Result

Bound = Literal["compute", "memory", "measured", "unknown"]


class Cost(Result, frozen=True, kw_only=True):
    """What a layer costs whatever runs it.

    Attributes:
        bits: of the stored weight with scales, zero points and codebooks; ``bytes`` are these rounded up.
        bits_per_weight: bits over weights.
        macs: multiply-accumulates for one sample.
        bops: bit-operations for one sample: MACs × bits of a weight × bits of an activation.
    """

    bits: int
    bits_per_weight: float
    macs: int
    bops: int

    @property
    def bytes(self) -> int:
        """Whole bytes of the stored weight."""
        return -(-self.bits // 8)


class LayerLatency(Result, frozen=True, kw_only=True):
    """One layer's modelled time.

    Attributes:
        layer: its name.
        seconds: the larger of both limits, or what was measured.
        compute_seconds: operations over the peak rate; None where the device publishes none for this arithmetic.
        memory_seconds: bytes over the bandwidth.
        bound: which of the two it is; ``measured`` where a measurement stands in for the model; ``unknown`` where no
            rate is published, so that the memory's limit is all that is known.
        arithmetic: what the products are computed in (``int8``, ``fp16`` …).
        rate: the published rate that was taken, which can be that of a wider format; empty where there is none.
    """

    layer: str
    seconds: float
    compute_seconds: float | None
    memory_seconds: float
    bound: Bound
    arithmetic: str
    rate: str


class LatencyEstimate(Result, frozen=True, kw_only=True):
    """A roofline's time for one batch: an estimate from published peaks, which no kernel reaches.

    Attributes:
        device, platform: names; the platform is empty where none was asked for.
        batch: samples at once.
        seconds: the sum over layers, run one after the other. What is between the layers is not in it.
        layers: each layer's part.
    """

    device: str
    platform: str
    batch: int
    seconds: float
    layers: tuple[LayerLatency, ...]
    estimate: bool = True


class LayerEnergy(Result, frozen=True, kw_only=True):
    """One layer's modelled energy in joules for a batch: multiplying and adding, and moving bytes."""

    layer: str
    compute_joules: float
    memory_joules: float


class EnergyEstimate(Result, frozen=True, kw_only=True):
    """A model's modelled energy for one batch, from published energies of single operations in one old process.

    Attributes:
        technology: the process that the numbers are of.
        memory: where weights and activations are read from and written to.
        batch: samples at once.
        joules: the sum over layers.
        low_joules, high_joules: the same with the lowest and highest published energy of that memory.
        layers: each layer's part.
    """

    technology: str
    memory: str
    batch: int
    joules: float
    low_joules: float
    high_joules: float
    layers: tuple[LayerEnergy, ...]
    estimate: bool = True

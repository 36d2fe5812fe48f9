"""What came out of holding an artefact against its simulation, and of timing it."""

from __future__ import annotations

from typing import Literal

import msgspec

from qdebug.results.base import Result

Simulation = Literal["float", "integer"]


class Agreement(Result, frozen=True, kw_only=True):
    """How codes differ from the runtime's: elements that are not the same, and the largest difference of two codes."""

    differing: int = 0
    largest: int = 0


class VerifiedTensor(Result, frozen=True, kw_only=True):
    """One quantized value, in the runtime and simulated.

    Attributes:
        value: its name in the file.
        node: the node that writes it; a layer's name where it is one.
        kernel: what computes it: an integer kernel such as ``QLinearConv``, or ``float`` where the runtime computes in
            floats and rounds.
        elements: how many codes were compared, over all samples.
        integer: integer simulation through the whole depth.
        float_: float simulation (``float`` in JSON) through the whole depth.
        fed: float simulation with the runtime's own codes as inputs of each layer.
    """

    value: str
    node: str
    kernel: str
    elements: int
    integer: Agreement
    float_: Agreement = msgspec.field(name="float")
    fed: Agreement


class RealMetric(Result, frozen=True, kw_only=True):
    """The metric of the float model, of the simulation and of the artefact in the runtime."""

    name: str
    float_: float = msgspec.field(name="float")
    simulated: float
    real: float


class Saturation(Result, frozen=True, kw_only=True):
    """Of ``pairs`` of products in a layer, how many sums would not fit 16 bits on a CPU without VNNI."""

    layer: str
    pairs: int
    saturating: int


class Verified(Result, frozen=True, kw_only=True):
    """An artefact held against its simulation.

    Attributes:
        runtime, version: what ran it.
        model, recipe: what was simulated; the recipe's digest.
        opset, bytes: of the artefact.
        simulation: which simulation ``agreement``, ``max_code_difference``, ``elements_differing`` and
            ``first_divergent_layer`` speak of.
        n: samples.
        agreement: share of predictions that are the same in runtime and simulation.
        max_code_difference: over all quantized values.
        elements, elements_differing: codes compared; the share of them that differ.
        first_divergent_layer: the first node whose codes differ, or None.
        metric: float, simulated and real.
        layers: every quantized value, in the order of computing; empty where the runtime does not show its codes.
        kernels: how many of each operator the runtime ran.
        float_layers: layers with a quantized weight that it computes in floats all the same.
        saturation: layers in which sums of two products could saturate; ``vnni`` tells whether this CPU's cannot.
        unsaid: what the recipe says and the file cannot.
        findings: whatever lies beyond the bounds, with its layer and cause, in words.
        seconds: for all of it.
    """

    runtime: str
    version: str
    model: str
    recipe: str
    opset: int
    bytes: int
    simulation: Simulation
    n: int
    agreement: float
    max_code_difference: int
    elements: int
    elements_differing: float
    first_divergent_layer: str | None
    metric: RealMetric
    layers: tuple[VerifiedTensor, ...]
    kernels: dict[str, int]
    float_layers: tuple[str, ...]
    saturation: tuple[Saturation, ...] = ()
    vnni: bool | None = None
    unsaid: tuple[str, ...] = ()
    findings: tuple[str, ...] = ()
    seconds: float


class Timing(Result, frozen=True, kw_only=True):
    """Seconds of one run: the median over rounds, and the quartiles around it."""

    median: float
    low: float
    high: float


class LayerTime(Result, frozen=True, kw_only=True):
    """Seconds that the runtime spends in a node, float and quantized; None where the file has no such node left."""

    name: str
    kernel: str
    float_: float | None = msgspec.field(name="float")
    quantized: float | None


class Latency(Result, frozen=True, kw_only=True):
    """The float and the quantized artefact in the same runtime, with the same threads, in turns.

    Attributes:
        runtime, version: what ran them.
        threads, batch, rounds: how.
        float_, quantized: of one run.
        ratio: quantized over float, the median of the rounds' ratios; its quartiles are ``ratio_low``, ``ratio_high``.
        layers: from the runtime's own profile, slowest first.
        finding: in words, plainly where it is slower than float.
    """

    runtime: str
    version: str
    threads: int
    batch: int
    rounds: int
    float_: Timing = msgspec.field(name="float")
    quantized: Timing
    ratio: float
    ratio_low: float
    ratio_high: float
    layers: tuple[LayerTime, ...]
    finding: str

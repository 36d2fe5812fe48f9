"""Whatever lies beyond the bounds within which a simulation should be, in words: where, and what is known of why."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from qdebug.results import VerifiedTensor

INTEGER_SHARE = 1e-4
"""Share of codes that may differ from the runtime's in the integer simulation, each by 1."""
FED_SHARE = 5e-4
"""Share of codes that may differ where a layer is fed with the runtime's own inputs and computed in floats."""
AGREEMENT = 0.995
"""Share of predictions that should be the same."""
CAUSES = {
    "float": (
        "What the runtime computes in floats it adds up in another order, or with functions of its own; codes behind "
        "it that lie half-way go the other way."
    ),
    "QLinearSoftmax": (
        "ONNX Runtime's integer softmax multiplies by the whole part of one over the output's scale, so that some "
        "codes are one less."
    ),
    "QLinearAveragePool": "ONNX Runtime's integer pooling adds the zero point before it rounds.",
    "QLinearAdd": "ONNX Runtime's integer sums add the zero point before they round.",
    "QLinearMul": "ONNX Runtime's integer products of two activations add the zero point before they round.",
}
"""Why codes of a kernel depart from a float reading, where that is known (docs/decisions/0008)."""
UNFOLLOWED = frozenset({
    "Attention", "AveragePool", "Conv", "ConvTranspose", "Einsum", "Exp", "FusedConv", "FusedGemm", "FusedMatMul",
    "GRU", "Gemm", "GlobalAveragePool", "GroupNormalization", "InstanceNormalization", "LSTM", "LogSoftmax",
    "LpNormalization", "MatMul", "MultiHeadAttention", "Pow", "QuickGelu", "ReduceMean", "ReduceSum",
    "SkipLayerNormalization", "SkipSimplifiedLayerNormalization",
})  # fmt: skip
"""What the integer simulation computes in floats in another order than ONNX Runtime, or with other functions."""
_UNLIKE = 0.01
_SHOWN = 5


@dataclass(frozen=True)
class Facts:
    """What was seen of an artefact in a runtime.

    Attributes:
        rows: its quantized values.
        kernels: how many of each operator ran.
        missing: values that the simulation has no codes of.
        disturbed: operators that ran otherwise because codes were asked for.
        float_layers: layers of integers that ran in floats.
        unlike: mean difference of the session's output from a float reading of the file, relative to its size.
        without_rewriting: of OpenVINO, the share of equal predictions where it does not rewrite the graph for integers.
    """

    rows: tuple[VerifiedTensor, ...] = ()
    kernels: Mapping[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    disturbed: tuple[str, ...] = ()
    float_layers: tuple[str, ...] = ()
    unlike: float = 0.0
    without_rewriting: float | None = None


def findings(facts: Facts, agreement: float, runtime: str) -> tuple[str, ...]:
    """Sentences, the gravest first; none where all is as it should be."""
    return tuple(_found(facts, agreement, runtime))


def _found(facts: Facts, agreement: float, runtime: str) -> Iterator[str]:
    if agreement < AGREEMENT:
        yield f"Only {agreement:.2%} of the predictions are the same in the runtime and simulated."
    if facts.without_rewriting is not None and facts.without_rewriting > agreement:
        whole = "what departs is" if facts.without_rewriting >= AGREEMENT else "part of what departs is"
        yield (
            "With its rewriting of the graph for integers switched off, the runtime gives "
            f"{facts.without_rewriting:.2%} the same predictions from the same file: {whole} that rewriting."
        )
    if facts.unlike > _UNLIKE:
        yield (
            f"The file, read in floats, departs from the session by {facts.unlike:.2g} of the output's size: see what "
            "it leaves unsaid."
        )
    yield from _beyond(facts, "integer", INTEGER_SHARE, "the integer simulation")
    yield from _beyond(facts, "fed", FED_SHARE, "a float simulation fed with the runtime's inputs")
    if facts.float_layers:
        yield (
            f"{len(facts.float_layers)} of the integer layers ran in floats: {_some(facts.float_layers)}. In the file "
            "their outputs or biases are no integers, or the runtime has no kernel for them."
        )
    if facts.disturbed:
        yield f"To show its codes the runtime computed {_some(facts.disturbed)} otherwise than for a user."
    if facts.missing:
        yield f"The simulation has no codes of {_some(facts.missing)}: nothing is said of them."
    if runtime == "openvino":
        yield "OpenVINO shows no codes of values inside the model: outputs and predictions were compared."


def _beyond(facts: Facts, mode: str, share: float, words: str) -> Iterator[str]:
    """One sentence on the values that depart too far in a reading."""
    found = [
        row for row in facts.rows
        if (count := getattr(row, mode)).largest > 1 or count.differing > share * row.elements + 1
    ]  # fmt: skip
    if found:
        parts = [f"{row.node or row.value} ({row.kernel}, by up to {getattr(row, mode).largest})" for row in found]
        kernels = dict.fromkeys(row.kernel for row in found)
        causes = [CAUSES[kernel] for kernel in kernels if kernel in CAUSES]
        unfollowed = sorted(UNFOLLOWED.intersection(facts.kernels))
        if mode == "integer" and unfollowed:
            causes.append(
                f"The simulation does not follow the runtime's float arithmetic in {_some(tuple(unfollowed))}."
            )
        yield " ".join([f"Codes depart from {words} beyond its bounds at {_some(tuple(parts))}.", *causes])


def _some(names: tuple[str, ...]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

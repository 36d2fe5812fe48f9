"""What breaks a quantized model: causes with their evidence, and fixes whose effect was measured."""

from __future__ import annotations

from typing import Any, Literal

from qdebug.results.base import Result

CauseKind = Literal[
    "uneven-weights", "outlier-channels", "tight-range", "stretched-range", "biased-error", "too-few-bits",
    "fp16-overflow", "nan", "inf", "dead-channels", "calibration-mismatch", "saturation", "coarse-values",
    "extreme-constant",
]  # fmt: skip
"""The closed list of causes; ``docs/diagnosis.md`` has a paragraph on each."""


METHODS: dict[str, str] = {
    "cle": "cross-layer equalization", "bias-correction": "bias correction", "smoothquant": "SmoothQuant",
    "per-channel": "one scale per channel", "per-group": "one scale per group", "per-token": "one scale per token",
    "dynamic": "ranges at run time", "clip": "another clip range", "recalibrate": "ranges from the evaluation data",
    "more-bits": "more bits", "fewer-bits": "fewer bits", "keep-float": "leaving it in float",
    "round-to-nearest": "rounding to nearest", "between-float": "values between layers in float",
}  # fmt: skip
"""What a diagnosis tries, in words that fit into a sentence."""


def method_words(method: str) -> str:
    """A remedy's method in words: ``cle,bias-correction`` is ``cross-layer equalization and bias correction``."""
    parts: list[str] = []
    for one in method.split(","):
        name, _, detail = one.partition(":")
        if name == "range":
            parts.append(f"ranges by {'least squared error' if detail == 'mse' else detail.replace('_', ' ')}")
        elif name == "format":
            parts.append(f"the format {detail}")
        else:
            parts.append(METHODS.get(name, name))
    return " and ".join(parts)


class Remedy(Result, frozen=True, kw_only=True):
    """A change to a recipe, which :func:`qdebug.recipes.remedied` makes.

    Attributes:
        method: what to change, for instance ``cle,bias-correction``, ``per-channel`` or ``range:mse``.
        params: what the method takes: ``layers`` and ``tensor`` for those that change plans.
    """

    method: str
    params: dict[str, Any]


class Trial(Result, frozen=True, kw_only=True):
    """A fix that was tried on the whole recipe.

    Attributes:
        fix: what was changed.
        metric: the task metric with it; None where the recipe then cannot run.
        recovered: the part of the loss that it wins back: of the metric's where the metric lost something, of the
            output's squared error otherwise. Negative where it does harm.
        certain: whether the output's error or the metric gets better by more than its 95 % interval, paired over
            samples. One sample has no interval.
    """

    fix: Remedy
    metric: float | None
    recovered: float
    certain: bool = True


class Cause(Result, frozen=True, kw_only=True):
    """One cause of the damage, in one or several layers.

    Attributes:
        layer: where it is worst.
        layers: all layers it was found in, worst first.
        tensor: ``weight``, ``activation`` (the layer's input) or ``output`` (a value between layers).
        kind: which of the closed list.
        share: its part in the damage: the isolated squared errors of these tensors over the sum of all.
        evidence: the numbers that speak for it, of the layer where it is worst.
        fix: what helped most of what was tried; None where nothing did.
        metric_before, metric_after: the task metric without and with the fix; None where there is none.
        recovered: see :class:`Trial`; 0 without a fix.
        tried: everything that was tried, as it was tried.
        text: one sentence, without a full stop.
    """

    layer: str
    layers: tuple[str, ...]
    tensor: Literal["weight", "activation", "output"]
    kind: CauseKind
    share: float
    evidence: dict[str, Any]
    fix: Remedy | None
    metric_before: float | None
    metric_after: float | None
    recovered: float
    tried: tuple[Trial, ...]
    text: str


class Together(Result, frozen=True, kw_only=True):
    """Several fixes in one recipe, as far as each wins something back beyond those before it.

    Attributes:
        fixes: to be made in this order.
        metric: the task metric with all of them.
        recovered: see :class:`Trial`.
    """

    fixes: tuple[Remedy, ...]
    metric: float
    recovered: float


class Diagnosis(Result, frozen=True, kw_only=True):
    """What ``qdebug diagnose`` prints.

    Attributes:
        model, digest: the model.
        recipe: the digest of the recipe that was looked at.
        metric: the task metric's name.
        higher_is_better: whether a fall of it is a loss.
        metric_float, metric_quantized: its values; None where that model cannot run.
        healthy: whether the metric stays what it was, nearly.
        causes: most damage first.
        together: the fixes of all causes at once; None where there is no fix.
        n: samples of the evaluation data behind metrics; errors may be of fewer.
        tensors: how many the recipe quantizes; 0 where nothing had to be explained, as of the next two.
        measured: how many of them were quantized alone; the damage of the others is predicted.
        looked_at: the most harmful, whose causes were asked for.
        seconds: what it took.
        text: one sentence on the whole, without a full stop.
    """

    model: str
    digest: str
    recipe: str
    metric: str
    metric_float: float | None
    metric_quantized: float | None
    healthy: bool
    causes: tuple[Cause, ...]
    together: Together | None
    n: int
    seconds: float
    text: str
    higher_is_better: bool = True
    tensors: int = 0
    measured: int = 0
    looked_at: int = 0

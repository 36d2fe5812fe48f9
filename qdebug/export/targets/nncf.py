"""NNCF: which layers ``nncf.quantize`` ignores, its preset and its advanced parameters.

Source: NNCF 3.4 (``nncf/scopes.py``, ``nncf/quantization/advanced_parameters.py``, ``range_estimator.py``).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from qdebug.export.document import Document, json_document
from qdebug.export.targets import remarks
from qdebug.export.targets.reach import Reach
from qdebug.recipes import LayerPlan, TensorPlan
from qdebug.recipes.fixes import name_of
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "NNCF"
WEIGHTS = Reach(TOOL, frozenset({"int8"}), frozenset({"tensor", "channel"}))
ACTIVATIONS = Reach(TOOL, frozenset({"int8"}))


def nncf(decided: Decided, info: ModelInfo) -> Document:
    """The arguments of ``nncf.quantize``: it knows one plan for all layers, and which to leave alone.

    The plan that most layers have is the one that is said; the others are ignored, and the file's list of what is
    unsaid names them.

    Raises:
        RecipeError: no layer has a plan that NNCF knows.
    """
    unsaid: list[str] = []
    plans: Counter[LayerPlan] = Counter()
    fitting: list[tuple[DecidedLayer, LayerPlan]] = []
    for layer in decided.layers:
        if layer.is_quantized and _fits(layer, unsaid) and layer.activation:
            plan = LayerPlan(weight=layer.weight.plan, activation=layer.activation.plan)
            plans[plan] += 1
            fitting.append((layer, plan))
    if not plans:
        raise remarks.nothing_left(TOOL, unsaid, decided)
    chosen = plans.most_common(1)[0][0]
    kept = {layer.layer.name for layer, plan in fitting if plan == chosen}
    unsaid += [
        f"{layer.layer.name}: NNCF knows one plan for all layers, and this one differs from that of {len(kept)} "
        "others; it is ignored and stays float."
        for layer, plan in fitting
        if plan != chosen
    ]
    left = [layer for layer in decided.layers if layer.layer.name not in kept and layer.activation]
    unsaid += _on_recipe(decided, info, left)
    value = {
        "quantize": {
            "preset": "performance" if chosen.activation.symmetric else "mixed",
            "fast_bias_correction": True,
            "advanced_parameters": _advanced(decided, chosen),
        },
        "ignored_scope": {"patterns": [_pattern(layer.node) for layer in left], "validate": True},
    }
    return json_document("nncf-quantize.json", value, unsaid)


def _pattern(node: str) -> str:
    """A node's name as a regular expression, in ONNX and in OpenVINO, whose converter splits a bias from its layer."""
    return f"{re.escape(node)}(/WithoutBiases)?$"


def _fits(layer: DecidedLayer, unsaid: list[str]) -> bool:
    """Whether a layer's plan is one that NNCF knows; otherwise the reason is written down."""
    activation = layer.activation
    if activation is None:
        reason: str | None = "NNCF is not told of embeddings"
    elif layer.weight.plan.is_float32 or activation.plan.is_float32:
        reason = "nncf.quantize quantizes input and weight or neither"
    else:
        reason = WEIGHTS.obstacle(layer.weight.plan) or ACTIVATIONS.obstacle(activation.plan)
    if reason:
        unsaid.append(f"{layer.layer.name}: {reason}; it is ignored and stays float.")
    return reason is None


def _on_recipe(decided: Decided, info: ModelInfo, left: list[DecidedLayer]) -> list[str]:
    """What is unsaid of the whole recipe."""
    between = (
        []
        if decided.points
        else [
            "Values between layers are float in the recipe; NNCF also quantizes additions, poolings and the like where "
            "OpenVINO computes them in integers, unless the ignored scope lists their types."
        ]
    )
    return [
        *between,
        *(
            f"{layer.layer.name}: it is ignored, but where another operator reads its input or output in integers, "
            "NNCF quantizes that value for both."
            for layer in left
        ),
        *remarks.on_names(info),
        *remarks.on_fixes(decided),
        *remarks.on_ranges(decided, TOOL),
        *remarks.on_rounding(decided, TOOL),
        *remarks.on_scale_storage(decided, TOOL),
        *remarks.on_shared(decided, TOOL),
        *remarks.on_points(decided, TOOL),
        *remarks.on_biases(decided, TOOL),
    ]


def _advanced(decided: Decided, plan: LayerPlan) -> dict[str, Any]:
    corrects = any(name_of(fix) == "bias-correction" for fix in decided.recipe.fixes)
    return {
        "overflow_fix": "disable",
        "disable_bias_correction": not corrects,
        "disable_channel_alignment": True,
        "activations_quantization_params": _parameters(plan.activation),
        "weights_quantization_params": _parameters(plan.weight),
        "activations_range_estimator_params": _estimator(plan.activation),
        "weights_range_estimator_params": _estimator(plan.weight),
        "smooth_quant_alphas": {"convolution": -1, "matmul": -1},
    }


def _parameters(plan: TensorPlan) -> dict[str, Any]:
    return {
        "num_bits": 8,
        "mode": "symmetric" if plan.symmetric else "asymmetric",
        "per_channel": plan.granularity == "channel",
    }


def _estimator(plan: TensorPlan) -> dict[str, dict[str, Any]]:
    """NNCF's range estimator nearest to a plan's: the limits of all that was seen, or a quantile of them."""
    if plan.range == "percentile":
        outside = (1 - plan.percentile / 100) / 2
        shared = {"statistics_type": "quantile", "aggregator_type": "mean", "quantile_outlier_prob": outside}
        return {"min": shared, "max": shared}
    return {
        "min": {"statistics_type": "min", "aggregator_type": "min"},
        "max": {"statistics_type": "max", "aggregator_type": "max"},
    }

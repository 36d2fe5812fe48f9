"""optimum-quanto, by way of transformers: the arguments of ``QuantoConfig``.

Source: transformers 5.23 (``utils/quantization_config.py``), optimum-quanto 0.2.
"""

from __future__ import annotations

from qdebug.export.document import Document, json_document
from qdebug.export.targets import language
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "quanto"
_GROUP = 128
"""Values of a group in quanto's 4- and 2-bit weights."""

_NAMES = {"int8": "int8", "fp8_e4m3fn": "float8"}


def quanto(decided: Decided, info: ModelInfo) -> Document:
    """One format for all linear layers but those listed.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    found, unsaid = language.told(decided, TOOL, _say)
    (weights, activations), kept = language.most(found, unsaid, TOOL)
    value = {
        "weights": weights, "activations": activations,
        "modules_to_not_convert": language.left_out(decided, kept) or None,
    }  # fmt: skip
    return json_document("quanto-config.json", value, [*unsaid, *language.on_recipe(decided, info, TOOL)])


def _say(layer: DecidedLayer, unsaid: list[str]) -> tuple[str, str | None] | str:
    plan, inputs = layer.weight.plan, language.input_of(layer)
    if plan.format in ("int4", "int2"):
        if (plan.granularity, plan.group_size, plan.symmetric) != ("group", _GROUP, False):
            return f"{TOOL} has {plan.format} in affine groups of {_GROUP}"
        weights = plan.format
    elif plan.format in _NAMES:
        if plan.granularity != "channel" or not plan.symmetric:
            return f"{TOOL} has {plan.format} symmetric with one scale per output channel"
        weights = _NAMES[plan.format]
    else:
        return f"{TOOL} has no {plan.format}"
    if plan.scale_format not in (None, "fp32"):
        unsaid.append(f"{layer.layer.name}: scales are {plan.scale_format}; {TOOL} keeps them in the model's type.")
    if inputs is None:
        return weights, None
    fixed = inputs.granularity == "tensor" and not inputs.dynamic and inputs.symmetric
    if inputs.format not in _NAMES or not fixed:
        unsaid.append(
            f"{layer.layer.name}: the activation stays float: {TOOL} has symmetric int8 and float8 with one fixed "
            "scale."
        )
        return weights, None
    return weights, _NAMES[inputs.format]

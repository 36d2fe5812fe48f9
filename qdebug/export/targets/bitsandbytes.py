"""bitsandbytes, by way of transformers: the arguments of ``BitsAndBytesConfig``.

Source: transformers 5.23 (``utils/quantization_config.py``), bitsandbytes 0.50.
"""

from __future__ import annotations

from qdebug.export.document import Document, json_document
from qdebug.export.targets import language
from qdebug.recipes import Outliers
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "bitsandbytes"
_BLOCK = 64
"""Values that share a scale in what transformers makes of a config; it cannot be told another number."""

_COMPUTE = {"fp16": "float16", "bf16": "bfloat16"}


def bitsandbytes(decided: Decided, info: ModelInfo) -> Document:
    """NF4 or LLM.int8() for all linear layers but those listed.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    found, unsaid = language.told(decided, TOOL, _say)
    (kind, is_double, compute), kept = language.most(found, unsaid, TOOL)
    skipped = language.left_out(decided, kept)
    value: dict[str, object] = {"load_in_8bit": kind == "int8", "load_in_4bit": kind == "nf4"}
    if kind == "nf4":
        value |= {
            "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": is_double, "bnb_4bit_compute_dtype": compute,
        }  # fmt: skip
    else:
        value["llm_int8_threshold"] = _threshold(decided)
    value["llm_int8_skip_modules"] = skipped or None
    unsaid += [
        f"{one}: transformers skips every module whose path begins like that of a skipped one, {name} among them."
        for one in (layer.node for layer in kept)
        for name in skipped
        if one.startswith(name)
    ]
    return json_document("bitsandbytes-config.json", value, [*unsaid, *language.on_recipe(decided, info, TOOL)])


def _say(layer: DecidedLayer, _: list[str]) -> tuple[str, bool, str] | str:
    plan, inputs = layer.weight.plan, language.input_of(layer)
    if plan.format == "nf4":
        if (plan.granularity, plan.group_size) != ("group", _BLOCK):
            return f"{TOOL} has one scale for {_BLOCK} values here"
        if plan.scale_format not in (None, "fp32", "double"):
            return f"{TOOL} stores scales in float32 or quantized twice (scale_format double)"
        if inputs is not None:
            return f"{TOOL} leaves the inputs of 4-bit layers in 16 or 32 bits"
        given = layer.activation.plan.format if layer.activation else "fp32"
        return "nf4", plan.scale_format == "double", _COMPUTE.get(given, "float32")
    if plan.format == "int8" and plan.symmetric and plan.granularity == "channel":
        if not (language.is_by_token(inputs, "int8") and inputs is not None and inputs.symmetric):
            return f"{TOOL} quantizes inputs of 8-bit layers to symmetric int8, one scale per token"
        return "int8", False, ""
    return f"{TOOL} has no {plan.label} (nf4 g{_BLOCK} or symmetric int8 per channel)"


def _threshold(decided: Decided) -> float:
    """The magnitude from which inputs are multiplied in 16 bits; 0 where none are."""
    found = [fix.threshold for fix in decided.recipe.fixes if isinstance(fix, Outliers) and not fix.keep]
    return float(found[0]) if found else 0.0

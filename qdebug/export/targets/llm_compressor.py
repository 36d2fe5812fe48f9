"""llm-compressor (vLLM): a recipe with one ``QuantizationModifier``.

Source: llm-compressor 0.9, ``modifiers/quantization``; its arguments are those of compressed-tensors 0.20
(``quantization/quant_scheme.py``).
"""

from __future__ import annotations

from typing import Any

import yaml

from qdebug.export.document import Document
from qdebug.export.targets import language, remarks
from qdebug.export.targets.reach import Reach
from qdebug.formats import Integer, find
from qdebug.recipes import TensorPlan
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "llm-compressor"
_INTEGERS = frozenset(f"int{bits}" for bits in range(2, 9))
_BLOCKS = {"nvfp4": (4, "tensor_group", 16), "mxfp4": (4, "group", 32), "mxfp8_e4m3": (8, "group", 32)}
WEIGHTS = Reach(
    TOOL, _INTEGERS | {"fp8_e4m3fn", *_BLOCKS}, frozenset({"tensor", "channel", "group", "block"})
)  # fmt: skip
ACTIVATIONS = Reach(
    TOOL, frozenset({"int4", "int8", "fp8_e4m3fn", *_BLOCKS}), frozenset({"tensor", "token"}), dynamic=True
)
_OBSERVERS = {"minmax": "minmax", "stored": "minmax", "mse": "mse"}


def llm_compressor(decided: Decided, info: ModelInfo) -> Document:
    """Layers of one plan are one group, which names them.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    found, unsaid = language.told(decided, TOOL, _say)
    groups: list[tuple[Any, list[str]]] = []
    for layer, scheme in found:
        for known, names in groups:
            if known == scheme:
                names.append(layer.node)
                break
        else:
            groups.append((scheme, [layer.node]))
    config = {f"group_{place}": {"targets": names, **scheme} for place, (scheme, names) in enumerate(groups)}
    modifier = {"QuantizationModifier": {"config_groups": config, "ignore": []}}
    text = yaml.safe_dump({"default_stage": {"default_modifiers": modifier}}, sort_keys=False, allow_unicode=True)
    unsaid += [*language.on_recipe(decided, info, TOOL), *remarks.on_scale_storage(decided, TOOL)]
    return Document("llm-compressor-recipe.yaml", text.encode("utf-8"), tuple(dict.fromkeys(unsaid)))


def _say(layer: DecidedLayer, unsaid: list[str]) -> Any | str:
    plan = layer.weight.plan
    reason = WEIGHTS.obstacle(plan)
    if reason is None and plan.granularity == "group" and layer.values.shape[1] % plan.group_size:
        reason = f"its {layer.values.shape[1]} input features are no whole number of groups of {plan.group_size}"
    if reason:
        return reason
    inputs = language.input_of(layer)
    if inputs is not None:
        why = ACTIVATIONS.obstacle(inputs)
        if why:
            unsaid.append(f"{layer.layer.name}: the activation stays float: {why}.")
            inputs = None
    scheme: dict[str, Any] = {"weights": _arguments(plan, dynamic=False)}
    if inputs is not None:
        dynamic = inputs.dynamic or inputs.granularity == "token" or find(inputs.format).own_blocks
        scheme["input_activations"] = _arguments(inputs, dynamic="local" if inputs.format == "nvfp4" else dynamic)
    return scheme


def _arguments(plan: TensorPlan, *, dynamic: bool | str) -> dict[str, Any]:
    form = find(plan.format)
    if plan.format in _BLOCKS:
        bits, strategy, size = _BLOCKS[plan.format]
        scales = "torch.float8_e4m3fn" if plan.format == "nvfp4" else "torch.uint8"
        return {
            "num_bits": bits, "type": "float", "symmetric": True, "strategy": strategy, "group_size": size,
            "dynamic": dynamic, "scale_dtype": scales,
        }  # fmt: skip
    said: dict[str, Any] = {
        "num_bits": int(form.bits), "type": "int" if isinstance(form, Integer) else "float",
        "symmetric": plan.symmetric, "strategy": plan.granularity,
    }  # fmt: skip
    if plan.granularity == "group":
        said["group_size"] = plan.group_size
    if plan.block:
        said["block_structure"] = list(plan.block)
    said["dynamic"] = dynamic
    if not dynamic and plan.range in _OBSERVERS:
        said["observer"] = _OBSERVERS[plan.range]
    return said

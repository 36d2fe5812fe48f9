"""torchao: a ``FqnToConfig`` as its ``config_from_dict`` reads it.

Source: torchao 0.18 (``core/config.py``, ``quantization/quant_api.py``).
"""

from __future__ import annotations

from typing import Any

from qdebug.export.document import Document, json_document
from qdebug.export.targets import language, remarks
from qdebug.recipes import TensorPlan
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "torchao"
_FP8 = "fp8_e4m3fn"
_BITS = frozenset(f"int{bits}" for bits in range(2, 9))


def torchao(decided: Decided, info: ModelInfo) -> Document:
    """Each layer's configuration under its module path.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    found, unsaid = language.told(decided, TOOL, _say)
    value = _config("FqnToConfig", 1, {"fqn_to_config": {layer.node: config for layer, config in found}})
    unsaid += [*language.on_recipe(decided, info, TOOL), *remarks.on_scale_storage(decided, TOOL)]
    return json_document("torchao-config.json", value, unsaid)


def _say(layer: DecidedLayer, unsaid: list[str]) -> dict[str, Any] | str:
    plan, inputs = layer.weight.plan, language.input_of(layer)
    if plan.granularity == "group" and layer.values.shape[1] % plan.group_size:
        return f"its {layer.values.shape[1]} input features are no whole number of groups of {plan.group_size}"
    found = None if inputs is None else _both(plan, inputs)
    alone = _weight(plan)
    if isinstance(found or alone, dict) and plan.symmetric and plan.format != _FP8:
        unsaid.append(f"{layer.layer.name}: {_scales(plan)}")
    if found is not None:
        if inputs is not None and inputs.symmetric and inputs.format != _FP8:
            unsaid.append(f"{layer.layer.name}: scales of tokens are absmax / 127.5 in {TOOL}, here absmax / 127.")
        return found
    if isinstance(alone, dict) and inputs is not None:
        unsaid.append(
            f"{layer.layer.name}: the activation stays float: {TOOL} has no {inputs.label} beside weights of "
            f"{plan.label}."
        )
    return alone


def _scales(plan: TensorPlan) -> str:
    """How symmetric scales differ (``choose_qparams_affine_with_min_max``)."""
    most = 2 ** (int(plan.format[3:]) - 1) - 1
    if plan.format == "int8" and plan.granularity != "group":
        return f"{TOOL} takes absmax / 127.5 as the scale, which clips what is largest; here it is absmax / 127."
    return (
        f"{TOOL} takes max / {most} or −min / {most + 1} as the scale, whichever is larger; here it is absmax / {most}."
    )


def _weight(plan: TensorPlan) -> dict[str, Any] | str:
    """The configuration that leaves inputs float."""
    if plan.format == _FP8 and plan.granularity in ("tensor", "channel", "group"):
        return _config("Float8WeightOnlyConfig", 2, {"granularity": _rows(plan)})
    if plan.format == "int8" and plan.symmetric and plan.granularity in ("tensor", "channel"):
        return _config("Int8WeightOnlyConfig", 2, {"granularity": _rows(plan)})
    if plan.format in _BITS and plan.granularity in ("channel", "group"):
        said = {
            "weight_dtype": _named("torch.dtype", plan.format), "granularity": _groups(plan),
            "mapping_type": _unclipped(plan),
        }  # fmt: skip
        return _config("IntxWeightOnlyConfig", 2, said)
    return f"{TOOL} is not told of {plan.label} weights here"


def _both(plan: TensorPlan, inputs: TensorPlan) -> dict[str, Any] | None:
    """The configuration of weights and inputs; None where there is none."""
    by_token = inputs.granularity == "token"
    if plan.format == inputs.format == _FP8:
        whole = inputs.dynamic and inputs.granularity == plan.granularity == "tensor"
        if whole or (by_token and plan.granularity == "channel"):
            return _config("Float8DynamicActivationFloat8WeightConfig", 2, {"granularity": [_rows(plan)] * 2})
        return None
    if not language.is_by_token(inputs, "int8"):
        return None
    if plan.format == "int8" and plan.symmetric and plan.granularity == "channel":
        return _config(
            "Int8DynamicActivationInt8WeightConfig", 2,
            {"act_mapping_type": _mapping(inputs), "granularity": _rows(plan)},
        )  # fmt: skip
    if plan.format in _BITS and plan.granularity in ("channel", "group") and not inputs.symmetric:
        said = {
            "weight_dtype": _named("torch.dtype", plan.format), "weight_granularity": _groups(plan),
            "weight_mapping_type": _unclipped(plan), "act_mapping_type": _mapping(inputs),
        }  # fmt: skip
        return _config("Int8DynamicActivationIntxWeightConfig", 2, said)
    return None


def _rows(plan: TensorPlan) -> dict[str, Any]:
    if plan.granularity == "group":
        return _config("PerGroup", 1, {"group_size": plan.group_size})
    return _config("PerTensor", 1, {}) if plan.granularity == "tensor" else _config("PerRow", 1, {"dim": -1})


def _groups(plan: TensorPlan) -> dict[str, Any]:
    if plan.granularity == "group":
        return _config("PerGroup", 1, {"group_size": plan.group_size})
    return _config("PerAxis", 1, {"axis": 0})


def _mapping(plan: TensorPlan) -> dict[str, Any]:
    return _named("MappingType", "SYMMETRIC" if plan.symmetric else "ASYMMETRIC")


def _unclipped(plan: TensorPlan) -> dict[str, Any]:
    """Of the two symmetric mappings the one that clips nothing: the other cuts the largest int4 values by 7 %."""
    return _named("MappingType", "SYMMETRIC_NO_CLIPPING_ERR") if plan.symmetric else _mapping(plan)


def _config(kind: str, version: int, data: dict[str, Any]) -> dict[str, Any]:
    return {"_type": kind, "_version": version, "_data": data}


def _named(kind: str, value: str) -> dict[str, Any]:
    return {"_type": kind, "_data": value}

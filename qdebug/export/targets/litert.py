"""LiteRT: a recipe of ai-edge-quantizer, and the deny lists of TensorFlow Lite's quantization debugger.

Source: ai-edge-quantizer 0.10 (``recipe_manager.py``, ``qtyping.py``, ``default_policy.py``); TensorFlow's
``lite/tools/optimize/debugging/python/debugger.py`` for ``QuantizationDebugOptions``.
"""

from __future__ import annotations

import re
from typing import Any

from qdebug.export.document import Document, json_document
from qdebug.export.targets import remarks
from qdebug.export.targets.reach import Reach
from qdebug.recipes import TensorPlan
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer

TOOL = "ai-edge-quantizer"
_WEIGHTS = Reach(TOOL, frozenset({"int8", "int4", "int8_narrow", "int4_narrow"}), frozenset({"tensor", "channel"}))
_SYMMETRIC = Reach(TOOL, _WEIGHTS.formats, _WEIGHTS.sharing, affine=False)
_BLOCKS = Reach(
    TOOL, frozenset({"int4", "int2", "int4_narrow", "int2_narrow"}), frozenset({"tensor", "channel", "group"}),
    affine=False,
)  # fmt: skip
_ACTIVATIONS = Reach(TOOL, frozenset({"int8", "int16"}), frozenset({"tensor", "token"}), dynamic=True)
_GROUPS = (32, 64, 128, 256)
_OUTPUTS = "^(serving_default|StatefulPartitionedCall)"
_ALGORITHMS = {"mse": "MSE", "octav": "OCTAV"}

Entry = dict[str, Any]


def litert(decided: Decided, info: ModelInfo) -> Document:
    """A recipe for ai-edge-quantizer: one entry per layer, the later ones winning.

    Raises:
        RecipeError: nothing of the recipe can be said.
    """
    unsaid: list[str] = []
    quantized = [layer for layer in decided.layers if layer.is_quantized]
    said = {layer.layer.name: entry for layer in quantized if (entry := _entry(layer, decided, unsaid))}
    if not said:
        raise remarks.nothing_left(TOOL, unsaid, decided)
    whole = _whole(decided, list(said.values()), unsaid)
    left = [_left(layer, decided) for layer in decided.layers if whole and layer.layer.name not in said]
    return json_document("litert-recipe.json", [*whole, *said.values(), *left], [*unsaid, *_on_recipe(decided)])


def _entry(layer: DecidedLayer, decided: Decided, unsaid: list[str]) -> Entry | None:
    """A layer's entry; or the reason why there is none."""
    name, operation = layer.layer.name, _operation(layer)
    weight, activation = layer.weight.plan, layer.activation.plan if layer.activation else TensorPlan()
    dynamic = activation.dynamic or activation.granularity == "token"
    only_weight = activation.is_float32
    reason = None
    if operation is None:
        reason = f"LiteRT has no {layer.layer.op} that {TOOL} would quantize"
    elif weight.is_float32:
        reason = f"{TOOL} quantizes no activation of a layer with float weights"
    elif not only_weight:
        reason = _ACTIVATIONS.obstacle(activation)
    if reason is None and not only_weight and activation.format == "int16" and (dynamic or not activation.symmetric):
        reason = f"{TOOL} has int16 activations only static and with zero point 0"
    if reason is None:
        reason = _weight_obstacle(weight, str(operation), dynamic, only_weight)
    if reason:
        unsaid.append(f"{name}: it stays float: {reason}.")
        return None
    if dynamic:
        unsaid.append(
            f"{name}: the activation's range is left to LiteRT's kernel, which takes it per sample and batch row."
        )
    static = None if only_weight or dynamic else activation
    return {
        "regex": _regex(layer, decided), "operation": operation, "algorithm_key": _algorithm(weight),
        "op_config": _config(weight, static, only_weight),
    }  # fmt: skip


def _weight_obstacle(weight: TensorPlan, operation: str, dynamic: bool, only_weight: bool) -> str | None:
    narrow = weight.format.startswith(("int4", "int2"))
    if weight.granularity == "group":
        if not dynamic or operation not in ("FULLY_CONNECTED", "EMBEDDING_LOOKUP"):
            return f"{TOOL} has groups only for fully connected layers with dynamic activations"
        if weight.group_size not in _GROUPS:
            return f"{TOOL} has groups of {', '.join(map(str, _GROUPS))} only"
        return _BLOCKS.obstacle(weight)
    if narrow and operation not in ("FULLY_CONNECTED", "CONV_2D", "EMBEDDING_LOOKUP"):
        return f"{TOOL} has no 4-bit {operation}"
    return (_WEIGHTS if only_weight else _SYMMETRIC).obstacle(weight)


def _config(weight: TensorPlan, activation: TensorPlan | None, only_weight: bool) -> Entry:
    sharing = {"tensor": "TENSORWISE", "channel": "CHANNELWISE", "group": f"BLOCKWISE_{weight.group_size}"}
    config: Entry = {}
    if activation is not None:
        config["activation_tensor_config"] = _tensor(activation, "TENSORWISE")
    config["weight_tensor_config"] = _tensor(weight, sharing[weight.granularity])
    return config | {
        "compute_precision": "FLOAT" if only_weight else "INTEGER", "explicit_dequantize": only_weight,
        "skip_checks": False, "min_weight_elements": 0,
    }  # fmt: skip


def _tensor(plan: TensorPlan, granularity: str) -> Entry:
    bits = int(plan.format.removeprefix("int").removesuffix("_narrow"))
    return {"num_bits": bits, "symmetric": plan.symmetric, "granularity": granularity, "dtype": "INT"}


def _algorithm(weight: TensorPlan) -> str:
    return _ALGORITHMS.get(weight.range, "min_max_uniform_quantize")


def _operation(layer: DecidedLayer) -> str | None:
    """LiteRT's name of a layer's operator; None for one that its quantizer does not know."""
    if layer.layer.kind == "matmul":
        return "FULLY_CONNECTED"
    if layer.layer.kind == "embedding":
        return "EMBEDDING_LOOKUP"
    if layer.values.dim() != 4:
        return None
    if layer.layer.is_depthwise:
        return "DEPTHWISE_CONV_2D"
    return "CONV_2D_TRANSPOSE" if layer.layer.op.startswith("conv-transpose") else "CONV_2D"


def _regex(layer: DecidedLayer, decided: Decided) -> str:
    """A module's path as it stands in the names of a converted model's tensors: ``…Conv2d_stem.conv;`` or its end.

    What writes the model's output is named after that instead: it is the last layer, where it is one.
    """
    own = rf"(^|/|[./][A-Za-z0-9]+_){re.escape(layer.node)}([;/]|$)"
    return f"{own}|{_OUTPUTS}" if layer is decided.layers[-1] else own


def _whole(decided: Decided, said: list[Entry], unsaid: list[str]) -> list[Entry]:
    """The entry for everything between layers, where the recipe holds that in integers."""
    static = [entry for entry in said if "activation_tensor_config" in entry["op_config"]]
    if not decided.points or not static:
        unsaid.extend(remarks.on_points(decided, TOOL))
        return []
    unsaid.append(
        f"Which values between layers are integers is {TOOL}'s decision: it takes every operator that LiteRT can "
        "compute so."
    )
    return [{"regex": ".*", "operation": "*", "algorithm_key": "min_max_uniform_quantize",
             "op_config": static[0]["op_config"]}]  # fmt: skip


def _left(layer: DecidedLayer, decided: Decided) -> Entry:
    regex, operation = _regex(layer, decided), _operation(layer) or "*"
    return {"regex": regex, "operation": operation, "algorithm_key": "no_quantize", "op_config": {}}


def _on_recipe(decided: Decided) -> list[str]:
    last = decided.layers[-1].layer.name
    return [
        f"{last}: it is taken for the layer that writes the model's output, whose tensor is named after the output.",
        f"Layers are found by regular expressions over the .tflite's tensor names, which its converter makes; {TOOL} "
        "passes over an entry that matches nothing, or that its kernels do not have, without a word.",
        *(one for one in remarks.on_ranges(decided, TOOL) if not any(f"by {key}," in one for key in _ALGORITHMS)),
        *remarks.on_fixes(decided),
        *remarks.on_rounding(decided, TOOL),
        *remarks.on_scale_storage(decided, TOOL),
        *remarks.on_biases(decided, TOOL),
    ]


def tflite_debugger(decided: Decided, info: ModelInfo) -> Document:
    """The deny lists of ``QuantizationDebugOptions``: what the TensorFlow Lite converter leaves float.

    An op type is denied where all layers of it stay float; other layers are denied by name.
    """
    unsaid: list[str] = []
    kinds: dict[str, list[DecidedLayer]] = {}
    for layer in decided.layers:
        kinds.setdefault(_operation(layer) or layer.layer.op, []).append(layer)
    ops = [kind for kind, members in kinds.items() if kind.isupper() and not any(one.is_quantized for one in members)]
    nodes = [
        layer.node for kind, members in kinds.items() if kind not in ops for layer in members if not layer.is_quantized
    ]
    if nodes:
        unsaid.append(
            "denylisted_nodes must be the names of output tensors in the .tflite, which its converter makes; these are "
            "the model's own, and the debugger passes over names that it does not know without a word."
        )
    for layer in decided.layers:
        for word, tensor in remarks.quantized(layer):
            plan = tensor.plan
            usual = plan.format in ("int8", "int8_narrow") and not plan.dynamic
            usual = usual and plan.granularity in (("tensor",) if word == "activation" else ("tensor", "channel"))
            if not usual:
                unsaid.append(f"{layer.layer.name}: the {word} is {plan.label}; what is not denied becomes int8.")
    unsaid += [*remarks.on_ranges(decided, "The converter"), *remarks.on_fixes(decided)]
    value = {"denylisted_ops": ops, "denylisted_nodes": nodes}
    return json_document("tflite-debug-options.json", value, unsaid)

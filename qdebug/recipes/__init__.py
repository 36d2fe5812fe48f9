"""The decision schema: everything a person decides about a quantized model, as one immutable value. Torch-free."""

from qdebug.recipes.attention import parse_cache_format, parse_probs_format, parse_scores_format
from qdebug.recipes.edit import matching, set_layers, with_clip, with_embeddings, with_fix, without_fix
from qdebug.recipes.fixes import (
    AdaQuant,
    AdaRound,
    Awq,
    AwqClip,
    BiasCorrection,
    Brecq,
    CrossLayerEqualization,
    Fix,
    Gpfq,
    Gptq,
    Hadamard,
    Hqq,
    Ldlq,
    LearnedClipping,
    LowRank,
    Outliers,
    Qat,
    SmoothQuant,
    SvdQuant,
    Wanda,
)
from qdebug.recipes.notation import (
    as_recipe,
    parse_activation_format,
    parse_embedding_format,
    parse_fix,
    parse_format,
    parse_plan,
    parse_weight_format,
    preset,
)
from qdebug.recipes.plan import FLOAT, AttentionPlan, LayerPlan, Recipe, TensorPlan
from qdebug.recipes.remedy import remedied
from qdebug.recipes.serial import dumps, from_plain, load, loads, save, to_plain

__all__ = [
    "FLOAT", "AdaQuant", "AdaRound", "AttentionPlan", "Awq", "AwqClip", "BiasCorrection", "Brecq",
    "CrossLayerEqualization", "Fix", "Gpfq", "Gptq", "Hadamard", "Hqq", "LayerPlan", "Ldlq", "LearnedClipping",
    "LowRank", "Outliers", "Qat", "Recipe", "SmoothQuant", "SvdQuant", "TensorPlan", "Wanda", "as_recipe", "dumps",
    "from_plain", "load", "loads", "matching", "parse_activation_format", "parse_cache_format",
    "parse_embedding_format", "parse_fix", "parse_format", "parse_plan", "parse_probs_format", "parse_scores_format",
    "parse_weight_format", "preset", "remedied", "save", "set_layers", "to_plain", "with_clip", "with_embeddings",
    "with_fix", "without_fix",
]  # fmt: skip

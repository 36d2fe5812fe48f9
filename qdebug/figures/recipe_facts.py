"""All that a recipe says, in sentences that need no notation: what a reader of a report gets beside the file."""

from __future__ import annotations

from qdebug.figures.numbers import three
from qdebug.figures.recipe_words import PRESETS, preset_of
from qdebug.figures.settling import WORDS as RANGES
from qdebug.figures.text import listed, plural
from qdebug.formats import find
from qdebug.recipes import AttentionPlan, LayerPlan, Recipe, TensorPlan
from qdebug.recipes.check import has_range
from qdebug.recipes.fixes import in_order, written

Fact = tuple[str, str]
"""What is spoken of, and what is said of it."""

_SCALES = {"tensor": "one scale for the whole tensor", "channel": "one scale per output channel",
           "token": "one scale per token"}  # fmt: skip
_ROUNDING = {"half_away": "half is rounded away from 0", "stochastic": "rounded at random, right on average",
             "floor": "rounded down"}  # fmt: skip
_STORED = {"e8m0": "scales are powers of two", "double": "scales are quantized themselves, to 8 bits"}


def recipe_facts(recipe: Recipe) -> tuple[Fact, ...]:
    """A recipe from what holds everywhere to its exceptions and its fixes."""
    name = preset_of(recipe)
    facts = [("preset", PRESETS[name])] if name else []
    facts += [
        ("weights", tensor_words(recipe.default.weight)),
        ("inputs of layers", tensor_words(recipe.default.activation)),
    ]
    if not recipe.embeddings.is_float32:
        facts.append(("embeddings", tensor_words(recipe.embeddings).replace("output channel", "row")))
    facts += _exceptions(recipe)
    facts.append(("between layers", tensor_words(recipe.between)))
    facts.append(("biases", "32-bit integers" if recipe.bias == "int32" else "float"))
    facts += attention_facts(recipe.attention)
    facts.append(("fixes", _fixes(recipe)))
    return tuple(facts)


def tensor_words(plan: TensorPlan) -> str:
    """How one tensor is quantized: ``int8, one scale per output channel, symmetric, range by min–max``."""
    if plan.is_float32:
        return "float"
    words = [plan.format, *_reduced(plan)]
    form = find(plan.format)
    if has_range(form):
        words.append(_granularity(plan))
    if form.is_integer:
        words.append("symmetric" if plan.symmetric else "affine")
    if has_range(form):
        words.append(_range(plan))
    words += [table[key] for table, key in ((_ROUNDING, plan.rounding), (_STORED, plan.scale_format)) if key in table]
    if plan.scale_format in ("fp16", "bf16", "fp32"):
        words.append(f"scales in {plan.scale_format}")
    return ", ".join(words)


def attention_facts(plan: AttentionPlan) -> list[Fact]:
    """What of attention is quantized; nothing where it is float."""
    named = (
        ("attention's keys", plan.keys), ("attention's values", plan.values), ("attention's scores", plan.scores),
        ("attention's probabilities", plan.probs),
    )  # fmt: skip
    found = [(name, _held(one)) for name, one in named if not one.is_float32]
    return [*found, ("newest tokens", f"{plural(plan.window, 'token')} in full precision")] if plan.window else found


def _held(plan: TensorPlan) -> str:
    form = find(plan.format)
    if not has_range(form) or plan.granularity == "tensor":
        return tensor_words(plan)
    shared = {
        "channel": f"one scale per channel of {plural(plan.group_size, 'token')}",
        "token": "one scale per token and head",
        "group": f"one scale per {plural(plan.group_size, 'channel')} of a token",
    }[plan.granularity]  # fmt: skip
    affine = ["symmetric" if plan.symmetric else "affine"] if form.is_integer else []
    return ", ".join([plan.format, shared, *affine])


def _granularity(plan: TensorPlan) -> str:
    if plan.granularity == "group":
        return f"one scale per {plan.group_size} values"
    if plan.granularity == "block" and plan.block:
        return f"one scale per tile of {plan.block[0]} × {plan.block[1]}"
    return _SCALES[plan.granularity]


def _range(plan: TensorPlan) -> str:
    if plan.clip:
        return f"clipped at {three(plan.clip[0])} and {three(plan.clip[1])} by hand"
    if plan.dynamic:
        return "range from each sample at run time"
    if plan.range == "stored":
        return "scales as in the model's file"
    percentile = f" {plan.percentile:g}" if plan.range == "percentile" else ""
    return f"range by {RANGES[plan.range]}{percentile}"


def _reduced(plan: TensorPlan) -> list[str]:
    if plan.sparsity:
        kept, colon, of = plan.sparsity.partition(":")
        return [f"{kept} of each {of} weights kept" if colon else f"{plan.sparsity} of the weights pruned"]
    return [f"two factors of rank {plan.rank}"] if plan.rank else []


def _exceptions(recipe: Recipe) -> list[Fact]:
    """The layers that have a plan of their own, those of one plan together."""
    found: dict[LayerPlan, list[str]] = {}
    for name, plan in recipe.layers:
        found.setdefault(plan, []).append(name)
    return [(_layers(tuple(names)), _apart(plan)) for plan, names in found.items()]


def _apart(plan: LayerPlan) -> str:
    if plan.weight.is_float32 and plan.activation.is_float32:
        return "float"
    return f"weights {tensor_words(plan.weight)}; inputs {tensor_words(plan.activation)}"


def _layers(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{plural(len(names), 'layer')}: {listed(names, most=12)}"


def _fixes(recipe: Recipe) -> str:
    said = [f"{fix.title} ({written(fix)})" for fix in in_order(recipe.fixes)]
    return "; then ".join(said) if said else "none"

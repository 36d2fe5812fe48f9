"""The short notation: ``w8a8``, ``w4g128a8``, ``w8a8-pc``, ``int4g32``, ``cle``, ``smoothquant:alpha=0.6``."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from qdebug.errors import MethodError, RecipeError, UsageError, near
from qdebug.formats import FORMATS, QFormat, find, split_name
from qdebug.recipes.check import check_tensor_plan
from qdebug.recipes.fixes import BY_NAME, Fix
from qdebug.recipes.plan import FLOAT, LayerPlan, Recipe, Rounding, ScaleFormat, TensorPlan

_PLAN = re.compile(r"w(?P<w>\d+)(?:g(?P<g>\d+))?(?:a(?P<a>\d+))?(?P<pc>-pc)?(?P<dyn>-dyn|-tok)?", re.ASCII)
_BITS = {32: "fp32", 16: "fp16", **{bits: f"int{bits}" for bits in range(2, 9)}}
_SHARING = re.compile(r"(?:g(?P<g>\d+)|b(?P<rows>\d+)x(?P<columns>\d+))?(?P<flags>(?:-[a-z0-9]+)*)", re.ASCII)
_RANK = re.compile(r"r(?P<rank>[1-9]\d*)", re.ASCII)
_ROUNDING: dict[str, Rounding] = {"away": "half_away", "stochastic": "stochastic", "floor": "floor"}
_SCALES: dict[str, ScaleFormat] = {"dq": "double", "e8m0": "e8m0", "fp16": "fp16", "bf16": "bf16"}
STORAGE_FLAGS = (*_ROUNDING, *_SCALES)
"""What a notation can say of rounding and of how scales are stored."""
_HOW = "Write weight bits, group and activation bits such as w8a8, w8a8-pc, w4g32a16; bits are 2-8, 16 or 32."


def parse_plan(text: str) -> LayerPlan:
    """A layer plan from its short name.

    Weights are symmetric per tensor, per channel with ``-pc``, per group with ``gN``. Activations are affine per
    tensor, static; ``-dyn`` takes their range from each sample, ``-tok`` from each token. 16 bits mean fp16, 32 fp32;
    ``w4g128``, without a word on activations, leaves them in fp16.

    ``@2:4`` or ``@50%`` behind it prunes the weights, ``@r8`` makes them products of two matrices of rank 8.

    Raises:
        RecipeError: the text is not of this form.
    """
    name, *reduced = text.strip().lower().split("@")
    match = _PLAN.fullmatch(name)
    if not match:
        raise RecipeError(f"'{text}' is not a layer format", do=_HOW)
    weight_bits, activation_bits = int(match["w"]), int(match["a"] or 16)
    group = int(match["g"]) if match["g"] is not None else None
    for bits in (weight_bits, activation_bits):
        if bits not in _BITS:
            raise RecipeError(f"'{text}' asks for {bits} bits, which no format has", do=_HOW)
    if group is not None and group < 1:
        raise RecipeError(f"'{text}' asks for groups of {group}", do=_HOW)
    weight = _reduced(_weight(weight_bits, group, bool(match["pc"])), reduced, text)
    return LayerPlan(weight, _activation(activation_bits, match["dyn"]))


def _reduced(plan: TensorPlan, said: list[str], text: str) -> TensorPlan:
    """A weight plan with what stands behind its ``@``: ``2:4``, ``50%``, ``r8``."""
    if not said:
        return plan
    if len(said) > 1:
        raise RecipeError(f"'{text}' has more than one '@'", do="Prune a weight, or factorize it: one of them.")
    rank = _RANK.fullmatch(said[0])
    more = {"rank": int(rank["rank"])} if rank else {"sparsity": said[0]}
    changed = msgspec.structs.replace(plan, **more)
    check_tensor_plan(changed, "weight", f"'{text}'")
    return changed


def _weight(bits: int, group: int | None, per_channel: bool) -> TensorPlan:
    name = _BITS[bits]
    if bits > 8:
        return TensorPlan(name)
    if group:
        return TensorPlan(name, "group", group)
    return TensorPlan(name, "channel" if per_channel else "tensor")


def _activation(bits: int, dynamic: str | None) -> TensorPlan:
    name = _BITS[bits]
    if bits > 8:
        return TensorPlan(name)
    return TensorPlan(name, "token" if dynamic == "-tok" else "tensor", symmetric=False, dynamic=dynamic is not None)


def parse_format(text: str) -> LayerPlan:
    """A layer plan from ``w4a16``, from a weight format (``nf4``: inputs stay float), or from both (``nf4/int8-tok``).

    Raises:
        RecipeError: it is none of these.
    """
    weight, slash, activation = text.partition("/")
    if not slash and split_name(text.strip().lower().partition("@")[0]) is None:
        return parse_plan(text)
    return LayerPlan(parse_weight_format(weight), parse_activation_format(activation) if slash else FLOAT)


def parse_weight_format(text: str) -> TensorPlan:
    """A weight plan from ``FORMAT[gN|bRxC][-flag…]``, for instance ``int4g32``, ``int8-pc``, ``nf4-dq``, ``mxfp4``.

    ``gN`` are groups of N input features, ``bRxC`` tiles of R output channels by C input features, ``-pc`` channels;
    nf4 takes groups of 64 if nothing is said. ``-affine`` frees the zero point; ``-away``, ``-floor``, ``-stochastic``
    say how to round; ``-fp16``, ``-bf16``, ``-e8m0``, ``-dq`` (double quantization) how scales are stored. ``@2:4`` or
    ``@50%`` behind it all prunes the weight, ``@r8`` makes it a product of two matrices of rank 8.

    Raises:
        RecipeError: an unknown format or flag, or a combination that makes no sense; the message says what to do.
    """
    name, *reduced = text.strip().lower().split("@")
    form, sizes, flags = tensor_format(name, ("pc", "affine", *STORAGE_FLAGS))
    named = [bool(sizes), "pc" in flags]
    if all(named):
        raise RecipeError(f"'{text}' says twice how weights share scales", do="Leave out one of them.")
    group = sizes.get("g", 0 if any(named) or form.own_blocks else form.group)
    block = (sizes["rows"], sizes["columns"]) if "rows" in sizes else None
    plan = TensorPlan(
        form.name, "group" if group else "block" if block else "channel" if "pc" in flags else "tensor", group, block,
        symmetric="affine" not in flags, **stored_as(flags),
    )  # fmt: skip
    check_tensor_plan(plan, "weight", f"'{text}'")
    return _reduced(plan, reduced, text)


def parse_embedding_format(text: str) -> TensorPlan:
    """The plan of an embedding's table from a weight format, with a scale for each row where nothing else is said.

    ``int8``, ``int4`` and ``fp8_e4m3fn`` have one scale per row, ``int4g32`` one per 32 values of a row; formats with
    blocks of their own, and nf4 with its groups, lie along rows anyway.

    Raises:
        RecipeError: see :func:`parse_weight_format`.
    """
    plan = parse_weight_format(text)
    form = find(plan.format)
    if plan.granularity == "tensor" and form.needs_scale and not form.own_blocks:
        plan = msgspec.structs.replace(plan, granularity="channel")
        check_tensor_plan(plan, "weight", f"'{text}'")
    return plan


def parse_activation_format(text: str) -> TensorPlan:
    """An activation plan from ``FORMAT[-tok|-dyn][-flag…]``, for instance ``int8``, ``int8-tok``, ``fp8_e4m3fn``.

    Integers are affine unless ``-sym``. ``-tok`` and ``-dyn`` take ranges from each token or sample.

    Raises:
        RecipeError: an unknown format or flag, or a combination that makes no sense; the message says what to do.
    """
    form, sizes, flags = tensor_format(text, ("tok", "dyn", "sym", *STORAGE_FLAGS))
    if sizes:
        raise RecipeError(
            f"'{text}' asks for groups or tiles, which activations do not have", do="Write for instance int8-tok."
        )
    granularity = "token" if "tok" in flags else "tensor"
    plan = TensorPlan(
        form.name, granularity, symmetric="sym" in flags or not form.is_integer,
        dynamic=bool(flags & {"tok", "dyn"}), **stored_as(flags),
    )  # fmt: skip
    check_tensor_plan(plan, "activation", f"'{text}'")
    return plan


def tensor_format(text: str, known: tuple[str, ...]) -> tuple[QFormat, dict[str, int], set[str]]:
    """Format, sizes (``g``, or ``rows`` and ``columns``) and flags of a tensor's short notation."""
    plain = text.strip().lower()
    found = split_name(plain)
    match = _SHARING.fullmatch(found[1]) if found else None
    if found is None or match is None:
        raise RecipeError(f"Unknown number format '{text}'", do=near(plain, FORMATS))
    form = FORMATS[found[0]]
    flags = set(match["flags"].split("-")[1:])
    for flag in sorted(flags - set(known)):
        raise RecipeError(f"'{text}' has the unknown flag '-{flag}'", do=near(flag, known))
    sizes = {name: int(match[name]) for name in ("g", "rows", "columns") if match[name] is not None}
    if any(size < 1 for size in sizes.values()):
        raise RecipeError(f"'{text}' asks for groups of none", do="Give a size, for instance int4g32.")
    if (sizes or flags - set(_ROUNDING)) and form.is_cast:
        raise RecipeError(f"'{text}' asks for a scale, which {form.name} does not have", do=f"Write {form.name} alone.")
    return form, sizes, flags


def stored_as(flags: set[str]) -> dict[str, Any]:
    """Rounding and storage of scales, as the flags say."""
    rounding = [_ROUNDING[flag] for flag in flags if flag in _ROUNDING]
    scales = [_SCALES[flag] for flag in flags if flag in _SCALES]
    return {"rounding": rounding[0] if rounding else "half_even", "scale_format": scales[0] if scales else None}


def preset(text: str) -> Recipe:
    """The recipe that gives every layer the plan of that short name.

    With ``-all`` behind it, activations between layers get the layers' activation plan too, and biases 32 bits: all
    that an integer runtime wants.
    """
    name, *reduced = text.strip().lower().split("@")
    plan = parse_plan("@".join([name.removesuffix("-all"), *reduced]))
    if not name.endswith("-all"):
        return Recipe(default=plan)
    if not is_whole(plan):
        raise RecipeError(f"'{text}' asks for integers everywhere of a format that is none", do="Write w8a8-pc-all.")
    return Recipe(default=plan, between=plan.activation, bias="int32")


def as_recipe(given: Recipe | str) -> Recipe:
    """The recipe that somebody gave: itself, or the preset of that name.

    Raises:
        UsageError: it is neither.
        RecipeError: there is no such preset.
    """
    if isinstance(given, str):
        return preset(given)
    if isinstance(given, Recipe):
        return given
    raise UsageError(
        f"{'None' if given is None else f'A value of type {type(given).__name__}'} is given where a recipe is wanted",
        do="Give a qdebug.Recipe or a preset's name, such as 'w8a8'; qdebug.Recipe() is the float model.",
    )


def is_whole(plan: LayerPlan) -> bool:
    """Whether a layer of that plan could run in integers: both sides static integers."""
    form = find(plan.activation.format)
    return form.is_integer and find(plan.weight.format).is_integer and not plan.activation.dynamic


def parse_fix(text: str) -> Fix:
    """A fix from ``name[:key=value…]``, for instance ``smoothquant:alpha=0.6``.

    Raises:
        MethodError: no such fix, no such parameter, or a value of the wrong type.
    """
    name, *assignments = text.strip().split(":")
    if name not in BY_NAME:
        raise MethodError(f"Unknown fix '{name}'", do=near(name, BY_NAME))
    kind = BY_NAME[name]
    fields = {field.name: field for field in msgspec.structs.fields(kind)}
    values: dict[str, Any] = {}
    for assignment in assignments:
        key, _, value = assignment.partition("=")
        if key not in fields:
            raise MethodError(f"Fix '{name}' has no parameter '{key}'", do=near(key, fields))
        try:
            values[key] = msgspec.convert(value, fields[key].type, strict=False)
        except msgspec.ValidationError as error:
            raise MethodError(f"Fix '{name}' cannot take {key}={value}", do=f"{error}.") from None
    return kind(**values)

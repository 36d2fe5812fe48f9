"""Recipes worked out by hand: layers with a few numbers, for rules that need no model."""

import torch

from qdebug.export import TARGETS
from qdebug.graph import Layer
from qdebug.quantize import choose_grid, is_static, weight_grid
from qdebug.recipes import FLOAT, LayerPlan, Recipe, TensorPlan, parse_activation_format, parse_weight_format
from qdebug.results import ModelInfo
from qdebug.session.decided import Decided, DecidedLayer, DecidedTensor

W8, A8, A8S = parse_weight_format("int8-pc"), parse_activation_format("int8"), parse_activation_format("int8-sym")


def tensor(name, plan, low=-1.0, high=3.0):
    """An activation and its grid."""
    grid = choose_grid(low, high, plan) if not plan.is_float32 and is_static(plan) else None
    return DecidedTensor(name, plan, grid)


def layer(
    name, weight=W8, activation=A8, *, kind="conv", op="conv 3×3", shape=(4, 8, 3, 3), out_axis=0, x=None, bias=True,
    added=False, weight_name=None,
):  # fmt: skip
    """A layer called ``name``, whose values are called after it."""
    values = torch.linspace(-1, 1, torch.Size(shape).numel()).reshape(shape)
    grid = None if weight.is_float32 else weight_grid(values, weight, out_axis)
    where = Layer(
        name=name, op=op, kind=kind, step=0, x=0, weight=0, bias=0 if bias else None, x_argument=0, weight_argument=1,
        bias_argument=2, out_axis=out_axis, in_axis=1 - out_axis, groups=1, channel_axis=1,
    )  # fmt: skip
    return DecidedLayer(
        layer=where, node=name, activation=None if kind == "embedding" else tensor(x or f"{name}.x", activation),
        weight=DecidedTensor(weight_name or f"{name}.weight", weight, grid),
        values=values, bias=f"{name}.bias" if bias else None,
        bias_values=torch.zeros(shape[out_axis]) if bias or added else None, output=f"{name}.y",
    )  # fmt: skip


def linear(name, weight=W8, activation=A8, *, shape=(4, 8), **more):
    """A linear layer."""
    return layer(name, weight, activation, kind="matmul", op="linear", shape=shape, **more)


def decided(*layers, points=(), recipe=None, replaced=None):
    """A recipe worked out on those layers."""
    between = points[0].plan if points else FLOAT
    plain = recipe or Recipe(default=LayerPlan(W8, A8), between=between)
    return Decided(plain, tuple(layers), tuple(points), replaced or {})


def info(source="onnx"):
    """Facts of a model that was opened from such a source."""
    return ModelInfo(
        name="made", digest="0" * 16, source=source, task="unlabelled", inputs=(), layers=(), patterns=(), params=0,
        float_bytes=0, n_eval=1, n_calib=1, calibration="none",
    )  # fmt: skip


def plan(text_or_plan, **changes):
    """A weight plan from its short name, with fields changed."""
    base = parse_weight_format(text_or_plan) if isinstance(text_or_plan, str) else text_or_plan
    fields = {name: getattr(base, name) for name in TensorPlan.__struct_fields__}
    return TensorPlan(**fields | changes)


def write(target, *layers, source="onnx", **more):
    """A target's document of those layers."""
    return TARGETS[target].write(decided(*layers, **more), info(source))


def said(document):
    """All that it leaves unsaid, in one text."""
    return " ".join(document.unsaid)

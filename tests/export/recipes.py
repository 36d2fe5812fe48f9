"""Recipes that exports meet, by name."""

from qdebug.recipes import (
    LayerPlan,
    Recipe,
    parse_activation_format,
    parse_plan,
    parse_weight_format,
    preset,
    set_layers,
)

SYMMETRIC = LayerPlan(parse_weight_format("int8-pc"), parse_activation_format("int8-sym"))
FLOAT = parse_plan("w32a32")

RECIPES = {
    "tensor": preset("w8a8"),
    "channel": preset("w8a8-pc"),
    "all": preset("w8a8-pc-all"),
    "symmetric": Recipe(default=SYMMETRIC),
    "symmetric-all": Recipe(default=SYMMETRIC, between=SYMMETRIC.activation, bias="int32"),
    "one-float": set_layers(preset("w8a8-pc"), {"conv2": FLOAT}),
    "one-in-groups": set_layers(preset("w8a8-pc"), {"mix": parse_plan("w4g4a8")}),
    "four-bits": preset("w4a8-pc"),
}

"""Modelled energy: published energies of single operations and accesses, times how many there are.

Source: Horowitz 2014, Computing's Energy Problem (and what we can do about it), ISSCC, figure 1.1.9 (45 nm, 0.9 V).
Multipliers of other widths are interpolated: their energy grows with the product of both widths, which is how many
one-bit products they add. The rule fits both integer multipliers of the table (8 bits: 0.2 pJ; 32 bits: 3.2 pJ by the
rule, 3.1 by the table). Floats multiply their significands: those below 16 bits and bfloat16 are scaled from fp16.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from qdebug.recipes.plan import LayerPlan, Recipe
from qdebug.results import EnergyEstimate, LayerEnergy, LayerInfo
from qdebug.targets.arithmetic import SIGNIFICANDS, arithmetic, widths
from qdebug.targets.cost import after_first, products
from qdebug.targets.kernel import Kernel
from qdebug.targets.platform import Platform
from qdebug.targets.roofline import runs
from qdebug.targets.traffic import moved_bytes

Memory = Literal["dram", "1MB", "32KB", "8KB"]
SOURCE = "https://doi.org/10.1109/ISSCC.2014.6757323"
TECHNOLOGY = "45 nm, 0.9 V (Horowitz, ISSCC 2014)"

ADD = {"int8": 0.03, "int32": 0.1, "fp16": 0.4, "fp32": 0.9}
"""Picojoules of an addition."""
MULTIPLY = {"int8": 0.2, "int32": 3.1, "fp16": 1.1, "fp32": 3.7}
"""Picojoules of a multiplication."""
ACCESS: dict[Memory, tuple[float, float]] = {
    "8KB": (10.0, 10.0), "32KB": (20.0, 20.0), "1MB": (100.0, 100.0), "dram": (1300.0, 2600.0),
}  # fmt: skip
"""Picojoules of reading 64 bits, lowest and highest: caches of a size, and DRAM."""


@dataclass(frozen=True, slots=True)
class _Energies:
    """Picojoules per byte: lowest, middle, highest."""

    low: float
    middle: float
    high: float


def multiply_picojoules(plan: LayerPlan, kernel: Kernel | None = None) -> float:
    """Energy of one product of a weight and an activation, in a multiplier made for them."""
    how = arithmetic(plan, kernel)
    if how in SIGNIFICANDS:
        if how == "fp32":
            return MULTIPLY["fp32"]
        return MULTIPLY["fp16"] * SIGNIFICANDS[how] ** 2 / SIGNIFICANDS["fp16"] ** 2
    weight, activation = widths(plan, kernel)
    return MULTIPLY["int8"] * weight * activation / 64


def mac_picojoules(plan: LayerPlan, kernel: Kernel | None = None) -> float:
    """Energy of a multiply-accumulate; sums have 32 bits, integer or float as the products are."""
    total = "fp32" if arithmetic(plan, kernel) in SIGNIFICANDS else "int32"
    return multiply_picojoules(plan, kernel) + ADD[total]


def energy(
    layers: Iterable[LayerInfo], recipe: Recipe, *, platform: Platform | None = None, memory: Memory = "dram",
    batch: int = 1,
) -> EnergyEstimate:  # fmt: skip
    """An estimate of the energy of a batch: every multiply-accumulate, and every byte moved once.

    It is of no device: the numbers are of one process, and processors spend more on instructions than on arithmetic. It
    is for comparing recipes. Products with pruned weights count as if these were whole; two factors are two products,
    the second of activations of 16 bits or more.

    Args:
        layers: the layers.
        recipe: their plans.
        platform: whose kernels say what is multiplied; without, every plan is computed as it says.
        memory: where weights and activations are read from and written to.
        batch: samples at once.

    Raises:
        RecipeError: the platform refuses a layer's plan.
    """
    low, high = (value / 8 for value in ACCESS[memory])
    per_byte = _Energies(low, (low + high) / 2, high)
    found: list[LayerEnergy] = []
    moved = computed = 0.0
    for layer in layers:
        plan = recipe.plan_for(layer.name, layer.kind)
        kernel = runs(layer, plan, platform)
        first, second = products(layer, plan)
        compute = first * batch * mac_picojoules(plan, kernel) if layer.macs else 0.0
        if second:
            compute += second * batch * mac_picojoules(after_first(plan))
        through = moved_bytes(layer, plan, recipe, batch)
        found.append(
            LayerEnergy(
                layer=layer.name, compute_joules=compute * 1e-12, memory_joules=through * per_byte.middle * 1e-12
            )
        )
        moved, computed = moved + through, computed + compute
    return EnergyEstimate(
        technology=TECHNOLOGY, memory=memory, batch=batch, joules=(computed + moved * per_byte.middle) * 1e-12,
        low_joules=(computed + moved * per_byte.low) * 1e-12, high_joules=(computed + moved * per_byte.high) * 1e-12,
        layers=tuple(found),
    )  # fmt: skip

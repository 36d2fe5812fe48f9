"""Modelled latency: each layer takes as long as its operations or its bytes, whichever is longer.

Source: Williams, Waterman and Patterson 2009, Roofline: An Insightful Visual Performance Model for Multicore
Architectures, Communications of the ACM 52(4).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from qdebug.errors import RecipeError
from qdebug.recipes.plan import LayerPlan, Recipe
from qdebug.results import Bound, LatencyEstimate, LayerInfo, LayerLatency
from qdebug.targets.arithmetic import arithmetic
from qdebug.targets.cost import after_first, kernel_of, products
from qdebug.targets.device import Device
from qdebug.targets.kernel import Kernel, kind_of
from qdebug.targets.platform import Platform
from qdebug.targets.traffic import moved_bytes

Measured = Mapping[tuple[str, LayerPlan], float]
"""Seconds of layers under plans, by layer name and plan, that were timed for the batch at hand."""


def roofline(
    layers: Iterable[LayerInfo], recipe: Recipe, device: Device, *, platform: Platform | None = None, batch: int = 1,
    measured: Measured | None = None,
) -> LatencyEstimate:  # fmt: skip
    """An estimate of a model's latency from published peak rates and bandwidth.

    It leaves out what is between layers, the cost of quantizing and dequantizing, caches, and that no kernel reaches a
    peak. It is for comparing recipes on a device, and says which limit a layer meets. For milliseconds of real kernels
    see :mod:`qdebug.verify.latency`.

    Pruned weights take as long as whole ones; but where the platform's document says that it skips the zeros of 2:4
    weights, and the device's maker publishes how much faster that is, the peak is that much higher and fewer bytes are
    read (``rate`` then ends in ``2:4``). Two factors are two products, the second of activations of 16 bits or more.

    Args:
        layers: the layers, which run one after the other.
        recipe: their plans.
        device: whose rates.
        platform: whose kernels; without, every plan is computed as it says.
        batch: samples at once.
        measured: timings that stand in for the model.

    Raises:
        RecipeError: the platform refuses a layer's plan.
    """
    found: list[LayerLatency] = []
    for layer in layers:
        plan = recipe.plan_for(layer.name, layer.kind)
        kernel = runs(layer, plan, platform)
        seconds = (measured or {}).get((layer.name, plan))
        skips = platform is not None and platform.sparse is not None and _is_two_of_four(layer, plan)
        found.append(_layer(layer, plan, recipe, device, kernel, batch, seconds, skips=skips))
    return LatencyEstimate(
        device=device.name, platform=platform.name if platform else "", batch=batch,
        seconds=sum(one.seconds for one in found), layers=tuple(found),
    )  # fmt: skip


def runs(layer: LayerInfo, plan: LayerPlan, platform: Platform | None) -> Kernel | None:
    """The platform's kernel for a layer; None where no platform is asked.

    Raises:
        RecipeError: the platform refuses the plan.
    """
    if platform is None:
        return None
    reason = platform.refuses(layer, plan)
    if reason:
        raise RecipeError(reason.rstrip("."), layer=layer.name, do="Change the layer's plan, or leave it float.")
    return platform.kernel(layer, plan)


def _is_two_of_four(layer: LayerInfo, plan: LayerPlan) -> bool:
    channels = layer.in_features // kernel_of(layer)
    return plan.weight.sparsity == "2:4" and channels % 4 == 0 and kind_of(layer) in ("conv", "matmul")


def _layer(
    layer: LayerInfo, plan: LayerPlan, recipe: Recipe, device: Device, kernel: Kernel | None, batch: int,
    measured: float | None, *, skips: bool,
) -> LayerLatency:  # fmt: skip
    how = arithmetic(plan, kernel)
    rate = device.rate(how)
    faster = device.sparse.value if device.sparse and rate and skips and rate[0] != "fp32" else 1.0
    memory = moved_bytes(layer, plan, recipe, batch, sparse=faster > 1) / device.bandwidth.value
    first, second = products(layer, plan)
    compute = 2.0 * first * batch / (rate[1].value * faster) if rate else None if layer.macs else 0.0
    if second and compute is not None:
        after = device.rate(arithmetic(after_first(plan)))
        compute = None if after is None else compute + 2.0 * second * batch / after[1].value
    bound: Bound = "unknown" if compute is None else "compute" if compute > memory else "memory"
    return LayerLatency(
        layer=layer.name, seconds=max(compute or 0.0, memory) if measured is None else measured,
        compute_seconds=compute, memory_seconds=memory, bound=bound if measured is None else "measured",
        arithmetic=how, rate=(f"{rate[0]}, 2:4" if faster > 1 else rate[0]) if rate else "",
    )  # fmt: skip

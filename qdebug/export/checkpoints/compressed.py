"""A compressed-tensors checkpoint: what transformers and vLLM load.

Source: compressed-tensors 0.20 (``compressors``, ``quantization/quant_scheme.py``). The inverse of
:mod:`qdebug.doors.checkpoints.compressed`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints import StoredLinear
from qdebug.doors.checkpoints.bits import in_bytes, packed
from qdebug.export.checkpoints.inputs import input_scheme
from qdebug.export.checkpoints.scales import block_scales, exact, exponents
from qdebug.formats import Block, Float, Integer, find
from qdebug.quantize import LevelGrid, QParams

Arguments = dict[str, Any]
Layer = tuple[dict[str, Tensor], Arguments, str]
"""A layer's tensors by their short names, its weight's arguments and its format."""


Keep = Callable[[Tensor], Tensor]
"""Gives a tensor's place until it is written: memory, or a file."""


def as_it_is(tensor: Tensor) -> Tensor:
    """Keep a tensor in memory."""
    return tensor


@dataclass(frozen=True)
class Written:
    """What goes into a checkpoint's folder.

    Attributes:
        tensors: those of the quantized layers, by full name; they replace each layer's ``weight``.
        config: the ``quantization_config``.
        unsaid: one sentence for each thing that the checkpoint does not say. A layer that is named there stays float.
    """

    tensors: Mapping[str, Tensor]
    config: Mapping[str, Any]
    unsaid: tuple[str, ...] = ()


def compressed_tensors(
    layers: Iterable[StoredLinear], *, dtype: torch.dtype = torch.bfloat16, ignore: Iterable[str] = (),
    keep: Keep = as_it_is,
) -> Written:  # fmt: skip
    """Tensors and config of layers.

    Args:
        layers: codes on grids (:func:`qdebug.export.checkpoints.linear_of`).
        dtype: of the model's other tensors. Scales are stored so where they are exact in it, else in float32.
        ignore: linear layers that stay float, by path.
        keep: where tensors wait until they are written.
    """
    tensors: dict[str, Tensor] = {}
    groups: list[tuple[Arguments, list[str]]] = []
    left, unsaid = list(ignore), []
    for layer in layers:
        found = _layer(layer, dtype, unsaid)
        if isinstance(found, str):
            unsaid.append(f"{layer.module}: the weight stays float: {found}.")
            left.append(layer.module)
            continue
        parts, weights, form = found
        inputs, more = input_scheme(layer, unsaid)
        tensors |= {f"{layer.module}.{name}": keep(one.contiguous()) for name, one in (parts | more).items()}
        scheme = {"weights": weights, "input_activations": inputs, "output_activations": None, "format": form}
        for known, names in groups:
            if known == scheme:
                names.append(layer.module)
                break
        else:
            groups.append((scheme, [layer.module]))
    return Written(tensors, _config(groups, left), tuple(dict.fromkeys(unsaid)))


def _config(groups: list[tuple[Arguments, list[str]]], left: list[str]) -> Arguments:
    """One group takes every linear layer that is not ignored; of several each names its layers."""
    formats = {scheme["format"] for scheme, _ in groups}
    return {
        "quant_method": "compressed-tensors",
        "format": formats.pop() if len(formats) == 1 else "mixed-precision",
        "quantization_status": "compressed",
        "config_groups": {
            f"group_{place}": {"targets": ["Linear"] if len(groups) == 1 else names, **scheme}
            for place, (scheme, names) in enumerate(groups)
        },
        "ignore": sorted(dict.fromkeys(left)),
        "kv_cache_scheme": None,
        "global_compression_ratio": None,
    }


def _layer(layer: StoredLinear, dtype: torch.dtype, unsaid: list[str]) -> Layer | str:
    """A layer's tensors, arguments and format; or why it cannot be said, as the end of a sentence."""
    form, grid = find(layer.plan.format), layer.grid
    if isinstance(form, Integer) and isinstance(grid, QParams):
        return _integers(layer, grid, dtype, unsaid)
    if not isinstance(grid, LevelGrid):
        return f"compressed-tensors has no {layer.plan.format}"
    if isinstance(form, Block):
        return _blocks(layer, form, grid)
    if isinstance(form, Float) and form.name == "fp8_e4m3fn":
        scale, said, why = _shared(layer, grid.scale, dtype, unsaid)
        if why:
            return why
        parts = {"weight": layer.codes.view(torch.float8_e4m3fn), "weight_scale": scale}
        quantized = layer.activation.format == "fp8_e4m3fn"
        return parts, _arguments(8, "float", True, said), "float-quantized" if quantized else "naive-quantized"
    return f"compressed-tensors has no {layer.plan.format}"


def _integers(layer: StoredLinear, grid: QParams, dtype: torch.dtype, unsaid: list[str]) -> Layer | str:
    bits = (grid.qmax - grid.qmin).bit_length()
    if not 2 <= bits <= 8:
        return f"compressed-tensors has no codes of {bits} bits"
    scale, said, why = _shared(layer, grid.scale, dtype, unsaid)
    if why:
        return why
    middle = 1 << (bits - 1)
    shift = middle if grid.qmin >= 0 else 0  # codes are signed there; moving zero points along leaves the reals
    codes = layer.codes.to(torch.int16) - shift
    symmetric = not shift and layer.is_symmetric
    points = (grid.zero_point.to(torch.int16) - shift).reshape(grid.scale.shape)
    if bits == 8 and layer.activation.format == "int8":
        parts = {"weight": codes.to(torch.int8), "weight_scale": scale}
        if not symmetric:
            parts["weight_zero_point"] = _like(points, scale, layer).to(torch.int8)
        return parts, _arguments(8, "int", symmetric, said), "int-quantized"
    if said["strategy"] == "block":
        return "compressed-tensors packs no tiles"
    if said["strategy"] == "tensor":  # kernels of packed weights want a scale for each channel
        said = {"strategy": "channel"}
        scale = scale.expand(len(codes)).reshape(-1, 1)
    parts = {
        "weight_packed": packed(codes + middle, bits), "weight_scale": scale,
        "weight_shape": torch.tensor(layer.codes.shape),
    }  # fmt: skip
    if not symmetric:
        whole = points.expand(scale.shape) + middle
        parts["weight_zero_point"] = packed(whole.T.contiguous(), bits).T
    return parts, _arguments(bits, "int", symmetric, said), "pack-quantized"


def _blocks(layer: StoredLinear, form: Block, grid: LevelGrid) -> Layer | str:
    said = {"strategy": "group", "group_size": form.group, "scale_dtype": "torch.uint8"}
    if form.name in ("mxfp4", "mxfp8_e4m3"):
        scale = exponents(grid.scale)
        if form.name == "mxfp4":
            parts = {"weight_packed": in_bytes(layer.codes), "weight_scale": scale}
            return parts, _arguments(4, "float", True, said), "mxfp4-pack-quantized"
        parts = {"weight": layer.codes.view(torch.float8_e4m3fn), "weight_scale": scale}
        return parts, _arguments(8, "float", True, said), "mxfp8-quantized"
    if form.name != "nvfp4":
        return f"compressed-tensors has no {form.name}"
    if layer.codes.shape[1] % form.group:
        return f"rows of {layer.codes.shape[1]} features are no whole number of blocks"
    found = block_scales(grid.scale)
    if found is None:
        return "its block scales are not numbers of E4M3 times one number"
    blocks, whole = found
    parts = {"weight_packed": in_bytes(layer.codes), "weight_scale": blocks, "weight_global_scale": whole.reshape(1)}
    said = {"strategy": "tensor_group", "group_size": form.group, "scale_dtype": "torch.float8_e4m3fn"}
    return parts, _arguments(4, "float", True, said), "nvfp4-pack-quantized"


def _shared(
    layer: StoredLinear, scale: Tensor, dtype: torch.dtype, unsaid: list[str]
) -> tuple[Tensor, Arguments, str]:  # fmt: skip
    """Scales as they are stored, what the config says of them, and why neither can be."""
    plan, columns = layer.plan, layer.shape[1]
    said: Arguments = {"strategy": plan.granularity}
    if plan.granularity == "group":
        if layer.grid.group_size != plan.group_size:
            return scale, said, "the features of a group do not lie side by side"
        if columns % plan.group_size:
            return scale, said, f"rows of {columns} features are no whole number of groups of {plan.group_size}"
        said["group_size"] = plan.group_size
    elif plan.granularity == "block" and plan.block:
        scale = scale[:: plan.block[0]]
        said["block_structure"] = list(plan.block)
    elif plan.granularity == "tensor":
        scale = scale.reshape(1)
    stored = exact(scale, dtype)
    if stored.dtype != dtype and plan.granularity == "group":
        unsaid.append(
            f"{layer.module}: scales are stored in float32; kernels that hold scales of groups in "
            f"{str(dtype).removeprefix('torch.')} round them. Plan them so (scale_format) to have no difference."
        )
    return stored, said, ""


def _like(points: Tensor, scale: Tensor, layer: StoredLinear) -> Tensor:
    if layer.plan.granularity == "block" and layer.plan.block:
        return points[:: layer.plan.block[0]]
    return points.reshape(scale.shape)


def _arguments(bits: int, kind: str, symmetric: bool, said: Arguments) -> Arguments:
    return {"num_bits": bits, "type": kind, "symmetric": symmetric, "dynamic": False, **said}

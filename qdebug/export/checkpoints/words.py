"""GPTQ and AWQ checkpoints: the inverses of their readers in :mod:`qdebug.doors.checkpoints`.

Both know one number of bits and one size of groups for all layers, and scales in float16.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor

from qdebug.doors.checkpoints import StoredLinear
from qdebug.doors.checkpoints.bits import packed, reordered
from qdebug.export.checkpoints.compressed import Keep, Written, as_it_is
from qdebug.quantize import QParams

Uniform = tuple[Tensor, Tensor, Tensor, int, int]
"""Unsigned codes ``[out, in]``, zero points and scales ``[out, G]``, bits, and the group's size (−1: a whole row)."""


def gptq(
    layers: Iterable[StoredLinear], *, ignore: Iterable[str] = (),
    version: Literal["gptq", "gptq_v2"] | None = None, keep: Keep = as_it_is,
) -> Written:  # fmt: skip
    """A GPTQ checkpoint, as AutoGPTQ and GPTQModel write it.

    Args:
        layers: codes on grids.
        ignore: linear layers that stay float, by path.
        version: how zero points are stored: less one (``gptq``) or as they are. By default the first, unless one is 0,
            which some kernels then read as 2^bits.
        keep: where tensors wait until they are written.
    """
    kept, floats, unsaid = _alike(layers, "GPTQ", (2, 3, 4, 8), 32, keep)
    if version is None:
        version = "gptq_v2" if any(bool((one[1] == 0).any()) for one in kept.values()) else "gptq"
    tensors: dict[str, Tensor] = {}
    bits, size = next(((one[3], one[4]) for one in kept.values()), (4, -1))
    for module, (codes, zero, scale, _, _) in kept.items():
        stored = zero if version == "gptq_v2" else zero - 1 & (1 << bits) - 1
        count = codes.shape[1]
        parts = {
            "qweight": packed(codes, bits).T, "qzeros": packed(stored.T.contiguous(), bits),
            "scales": scale.T.half(),
            "g_idx": (torch.arange(count) // (size if size > 0 else count)).int(),
        }  # fmt: skip
        tensors |= {f"{module}.{name}": keep(one.contiguous()) for name, one in parts.items()}
    symmetric = all(bool((one[1] == 1 << bits - 1).all()) for one in kept.values())
    config: dict[str, Any] = {
        "quant_method": "gptq", "bits": bits, "group_size": size, "desc_act": False, "sym": symmetric,
        "checkpoint_format": version, "lm_head": "lm_head" in kept,
    }  # fmt: skip
    floats = [*ignore, *floats]
    if floats:
        config["dynamic"] = {f"-:^{re.escape(name)}$": {} for name in floats}
    return Written(tensors, config, tuple(unsaid))


def awq(layers: Iterable[StoredLinear], *, ignore: Iterable[str] = (), keep: Keep = as_it_is) -> Written:
    """An AWQ checkpoint in the ``gemm`` layout, as AutoAWQ writes it.

    Args:
        layers: codes on grids.
        ignore: linear layers that stay float, by path.
        keep: where tensors wait until they are written.
    """
    kept, floats, unsaid = _alike(layers, "AWQ", (4,), 8, keep)
    tensors: dict[str, Tensor] = {}
    for module, (codes, zero, scale, bits, _) in kept.items():
        parts = {
            "qweight": packed(reordered(codes.T.contiguous()), bits),
            "qzeros": packed(reordered(zero.T.contiguous()), bits), "scales": scale.T.half(),
        }  # fmt: skip
        tensors |= {f"{module}.{name}": keep(one.contiguous()) for name, one in parts.items()}
    size = next((one[4] for one in kept.values()), -1)
    config = {
        "quant_method": "awq", "bits": 4, "group_size": size, "zero_point": True, "version": "gemm",
        "modules_to_not_convert": [*ignore, *floats] or None,
    }  # fmt: skip
    return Written(tensors, config, tuple(unsaid))


def _alike(
    layers: Iterable[StoredLinear], tool: str, known: tuple[int, ...], columns: int, keep: Keep
) -> tuple[dict[str, Uniform], list[str], list[str]]:
    """The layers of the most frequent bits and groups, the names of the others, and what is left unsaid."""
    found: dict[str, Uniform] = {}
    unsaid: list[str] = []
    floats: list[str] = []
    for layer in layers:
        one = _uniform(layer, tool, known, columns)
        if isinstance(one, str):
            unsaid.append(f"{layer.module}: the weight stays float: {one}.")
            floats.append(layer.module)
            continue
        found[layer.module] = (keep(one[0]), *one[1:])
        if not layer.activation.is_float32:
            unsaid.append(f"{layer.module}: {tool} does not quantize activations; this one stays float.")
        if not torch.equal(one[2].half().float(), one[2]):
            unsaid.append(
                f"{layer.module}: {tool} stores scales in float16, which rounds these. Plan them so (scale_format "
                "fp16) to have no difference."
            )
    most = Counter(one[3:] for one in found.values()).most_common(1)
    for module, one in list(found.items()):
        if one[3:] != most[0][0]:
            bits, size = most[0][0]
            unsaid = [text for text in unsaid if not text.startswith(f"{module}: ")]
            unsaid.append(
                f"{module}: the weight stays float: {tool} has one number of bits and one size of groups for all "
                f"layers ({bits}, {size})."
            )
            floats.append(module)
            del found[module]
    return found, floats, unsaid


def _uniform(layer: StoredLinear, tool: str, known: tuple[int, ...], columns: int) -> Uniform | str:
    grid, plan, (rows, inputs) = layer.grid, layer.plan, layer.shape
    if not isinstance(grid, QParams):
        return f"{tool} has no {plan.format}"
    bits = (grid.qmax - grid.qmin).bit_length()
    if bits not in known:
        return f"{tool} has no codes of {bits} bits"
    if plan.granularity == "block":
        return f"{tool} has no tiles"
    if grid.group_size and (grid.group_size != plan.group_size or inputs % grid.group_size):
        return "groups of its features are not all of one size and side by side"
    if rows * bits % 32 or inputs * bits % 32:
        return f"{rows}×{inputs} codes of {bits} bits are no whole number of words"
    if rows % columns:
        return f"{rows} output features are no multiple of {columns}"
    scale, zero = grid.scale, grid.zero_point
    if not scale.dim():
        scale, zero = (one.expand(rows, 1) for one in (scale, zero))
    half = scale.half()
    if not bool(torch.isfinite(half).all()) or not bool((half > 0).all()):
        return "its scales are beyond float16"
    # a narrow grid leaves out the lowest code: its zero lies in the middle nevertheless
    shift = -(1 << (bits - 1)) if grid.qmin < 0 else 0
    codes, points = layer.codes.to(torch.int16) - shift, zero.to(torch.int16) - shift
    return codes, points, scale, bits, grid.group_size or -1

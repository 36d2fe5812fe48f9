"""Checkpoints of compressed-tensors, as llm-compressor writes them and vLLM reads them.

Source: compressed-tensors 0.20, ``compressors``: ``int-quantized``, ``float-quantized`` and ``naive-quantized`` store
codes as int8 or float8 under ``weight``; ``pack-quantized`` as one stream of bits in words (``weight_packed``), each
code plus 2^(bits − 1), with zero points packed along the output features; ``nvfp4-pack-quantized`` and
``mxfp4-pack-quantized`` two codes a byte, with scales in E4M3 (divided by ``weight_global_scale``) or as exponents.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from qdebug.doors.checkpoints import schemes
from qdebug.doors.checkpoints.bits import nibbles, unpacked, words_for
from qdebug.doors.checkpoints.grids import Read, by_column, by_tile, leveled, uniform
from qdebug.doors.checkpoints.parts import FLOATS, SCALE_FORMATS, Parts
from qdebug.doors.checkpoints.schemes import Arguments
from qdebug.doors.checkpoints.stored import StoredLinear
from qdebug.errors import ModelError
from qdebug.formats import find
from qdebug.quantize import Grid, QParams, level_grid

MARK = "weight_scale"
FORMATS = (
    "int-quantized", "float-quantized", "naive-quantized", "pack-quantized", "nvfp4-pack-quantized",
    "mxfp4-pack-quantized", "mxfp8-quantized", "mixed-precision",
)  # fmt: skip
_WORDS = (torch.int32,)


def check(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Refuse a checkpoint whose weights are stored in a way that there is no reading of.

    Returns:
        What of the config is about more than linear layers, one sentence each.

    Raises:
        ModelError: the format is unknown, or the weights are not compressed.
    """
    formats = [config.get("format"), *(s.get("format") for s in _schemes(config))]
    for said in formats:
        if said is not None and said not in FORMATS:
            raise ModelError(
                f"quantization_config: there is no reading of the format '{said}'", file="config.json",
                do=f"Known: {', '.join(FORMATS)}.",
            )  # fmt: skip
    sparse = schemes.entry(config, "sparsity_config").get("format", "dense")
    if sparse != "dense":
        raise ModelError(
            f"There is no reading of weights that are stored sparse ('{sparse}')",
            file="config.json",
            do="Open the float checkpoint and quantize it here.",
        )
    status = config.get("quantization_status", "compressed")
    if status != "compressed":
        raise ModelError(
            f"The checkpoint's quantization_status is '{status}'", file="config.json",
            do="Save it compressed (save_pretrained with save_compressed=True).",
        )  # fmt: skip
    left = []
    if config.get("kv_cache_scheme"):
        left.append("The cache of keys and values is quantized, too; here it stays float.")
    if any(s.get("output_activations") for s in _schemes(config)):
        left.append("Outputs of layers are quantized, too; here they stay float.")
    if config.get("transform_config"):
        left.append("Activations are transformed while the model runs (transform_config); here they are not.")
    return tuple(left)


def _schemes(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in schemes.entry(config, "config_groups").values() if isinstance(one, Mapping)]


def read(parts: Parts, config: Mapping[str, Any]) -> StoredLinear:
    """One layer.

    Raises:
        FileError: a tensor is missing or of another shape than the others say.
        ModelError: no scheme is about the layer, or there is no reading of it.
    """
    scheme = schemes.scheme_of(parts.module, config)
    weights = schemes.arguments(scheme, "weights") if scheme else None
    if scheme is None or weights is None:
        raise ModelError(
            f"'{parts.module}' has scales, and no group of the quantization_config is about its weight",
            file="config.json", do="Add its name to the targets of a group.",
        )  # fmt: skip
    if parts.has("weight_packed"):
        plan, grid, codes = _packed_floats(parts, weights) if weights.is_float else _packed_integers(parts, weights)
    else:
        plan, grid, codes = _plain(parts, weights)
    said = schemes.arguments(scheme, "input_activations")
    activation, unsaid = schemes.activation(said)
    fixed = _fixed(parts, said) if activation.range == "stored" and said else None
    return StoredLinear(parts.module, plan, grid, codes, activation, fixed, unsaid)


def _packed_integers(parts: Parts, said: Arguments) -> Read:
    shape = parts.get("weight_shape", (torch.int64, torch.int32), (2,)).tolist()
    rows, columns = shape
    if min(shape) < 1 or columns > 1 << 24:
        parts.refuse("weight_shape", f"says {shape}")
    stored = parts.get("weight_packed", _WORDS, (rows, None))
    dense = stored.shape[1] == words_for(columns, said.bits)
    if not dense and stored.shape[1] != words_for(columns, said.bits, dense=False):
        parts.refuse("weight_packed", f"has {stored.shape[1]} words a row; {columns} codes of {said.bits} bits do not")
    middle = 1 << (said.bits - 1)
    codes = unpacked(stored, said.bits, columns, dense=dense).to(torch.int16) - middle
    scale, size = _scale(parts, said, rows, columns)
    zero = None
    if not said.symmetric:
        groups = scale.shape[1] if scale.dim() else 1
        zeros = parts.get("weight_zero_point", _WORDS, (words_for(rows, said.bits, dense=dense), groups))
        zero = (unpacked(zeros.T.contiguous(), said.bits, rows, dense=dense).T.short() - middle).reshape(scale.shape)
    index = _order(parts, columns, scale, size)
    if index is not None:
        scale, zero = by_column(scale, index), None if zero is None else by_column(zero, index)
    group = 0 if index is None else size
    return uniform(
        codes, scale, zero, -middle, said.bits, size if index is None else 1, group=group, scales=_stored_as(parts)
    )


def _order(parts: Parts, columns: int, scale: Tensor, size: int) -> Tensor | None:
    """Each column's group, where they do not lie side by side."""
    if not size or not parts.has("weight_g_idx"):
        return None
    index = parts.get("weight_g_idx", (torch.int32, torch.int64), (columns,))
    if bool((index == -1).all()):  # written where there is no order
        return None
    if bool((index < 0).any()) or bool((index >= scale.shape[1]).any()):
        parts.refuse("weight_g_idx", f"points to a group that is none of the {scale.shape[1]}")
    return None if torch.equal(index.long(), torch.arange(columns) // size) else index


def _packed_floats(parts: Parts, said: Arguments) -> Read:
    stored = parts.get("weight_packed", (torch.uint8,), (None, None))
    rows, columns = stored.shape[0], 2 * stored.shape[1]
    form = find(said.format)
    if form.name not in ("nvfp4", "mxfp4"):
        raise ModelError(
            f"There is no reading of packed floats of {said.bits} bits",
            file="config.json",
            do="Open the float checkpoint and quantize it here.",
        )
    shape = (rows, -(-columns // form.group))
    if form.name == "mxfp4":
        scale = _exponents(parts, shape)
    else:
        whole = parts.scale("weight_global_scale", (1,), (), kinds=(torch.float32,)).reshape(())
        if not bool(whole > 0):
            parts.refuse("weight_global_scale", "is zero")
        scale = parts.scale("weight_scale", shape, kinds=(torch.float8_e4m3fn,)) / whole
    return leveled(form, nibbles(stored), scale, form.group)


def _exponents(parts: Parts, shape: tuple[int, int]) -> Tensor:
    """Scales that are powers of two, from E8M0 codes: ``2^(code − 127)`` (OCP MX 1.0, section 5.4.1)."""
    stored = parts.get("weight_scale", (torch.uint8,), shape)
    if bool((stored == 255).any()):
        parts.refuse("weight_scale", "holds the code of no number")
    return torch.ldexp(torch.ones(stored.shape, dtype=torch.float64), stored.int() - 127).float()


def _plain(parts: Parts, said: Arguments) -> Read:
    kind = torch.float8_e4m3fn if said.is_float else torch.int8
    weight = parts.get("weight", (kind,), (None, None))
    rows, columns = weight.shape
    if said.is_float and said.format == "mxfp8_e4m3":
        scale = _exponents(parts, (rows, -(-columns // 32)))
        return leveled("mxfp8_e4m3", weight.view(torch.uint8), scale, 32)
    scale, size = _scale(parts, said, rows, columns)
    stored = _stored_as(parts)
    if said.is_float:
        return leveled(said.format, weight.view(torch.uint8), scale, size, block=said.block, scales=stored)
    zero = None
    if not said.symmetric:
        shapes = ((rows,), tuple(scale.shape), (1,), ())
        zero = parts.get("weight_zero_point", (torch.int8,), *shapes).reshape(scale.shape)
    low = -(1 << (said.bits - 1))
    if bool((weight < low).any()) or bool((weight > -low - 1).any()):
        parts.refuse("weight", f"holds codes of more than {said.bits} bits")
    return uniform(weight, scale, zero, low, said.bits, size, block=said.block, scales=stored)


def _scale(parts: Parts, said: Arguments, rows: int, columns: int) -> tuple[Tensor, int]:
    """Scales ``[]``, ``[rows, 1]`` or ``[rows, G]``, and how many columns share one; 0: all of a row."""
    if said.strategy == "tensor":
        return parts.scale("weight_scale", (1,), (), (1, 1)).reshape(()), 0
    if said.strategy == "channel":
        return parts.scale("weight_scale", (rows, 1), (rows,)).reshape(-1, 1), 0
    if said.strategy == "block" and said.block:
        height, width = said.block
        tiles = parts.scale("weight_scale", (-(-rows // height), -(-columns // width)))
        return by_tile(tiles, rows, height), width
    if said.strategy != "group":
        raise ModelError(
            f"There is no reading of weight scales by {said.strategy}",
            file="config.json",
            do="Open the float checkpoint and quantize it here.",
        )
    return parts.scale("weight_scale", (rows, -(-columns // said.group))), said.group


def _stored_as(parts: Parts) -> Any:
    return SCALE_FORMATS[parts.tensors[parts.name("weight_scale")].dtype]


def _fixed(parts: Parts, said: Arguments) -> Grid:
    """The grid of an input whose scale is in the checkpoint."""
    scale = parts.scale("input_scale", (1,), (), kinds=FLOATS).reshape(())
    if not bool(scale > 0):
        parts.refuse("input_scale", "is zero")
    if said.is_float:
        return level_grid(find(said.format), scale)
    zero = torch.zeros(())
    if not said.symmetric:
        zero = parts.get("input_zero_point", (torch.int8,), (1,), ()).reshape(()).float()
    low = -(1 << (said.bits - 1))
    return QParams(scale, zero, low, -low - 1)

"""Matrices in llama.cpp's formats, whatever their width and whatever is in them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad

from qdebug.formats import Gguf
from qdebug.quantize.ggml.gguf import encode
from qdebug.quantize.levels import LevelGrid


def quantize_rows(x: Tensor, form: Gguf) -> tuple[Tensor, LevelGrid]:
    """``x [R, C]`` as ggml stores and reads it again, bit for bit where rows are whole blocks of finite values.

    A row's last block is filled up with zeros where it is not whole, and they are cut off again: the format itself is
    shown, though llama.cpp would store such rows otherwise (:meth:`qdebug.formats.Gguf.stored_as`; a finding says so).
    NaN and ±Inf, which ggml does not define, are 0 in their block; NaN stays NaN, ±Inf becomes the limit of its run.

    Returns:
        The matrix, float32, and its grid.
    """
    columns = x.shape[1]
    finite = torch.isfinite(x)
    blocks = encode(pad(torch.where(finite, x.float(), 0.0), (0, -columns % form.size)).contiguous(), form.name)
    values = blocks.values()[:, :columns].contiguous()
    runs = -(-columns // blocks.size)
    scale, offset = blocks.scale[:, :runs].contiguous(), blocks.offset[:, :runs].contiguous()
    used = len(blocks.codes[:, :columns][finite].unique())
    levels = torch.tensor(form.levels)
    grid = LevelGrid(form, levels, torch.where(scale == 0, 1.0, scale), blocks.size, offset, used, len(levels))
    if not bool(finite.all()):
        low, high = (
            t.float().repeat_interleave(blocks.size, dim=1)[:, :columns] for t in (grid.clip_min, grid.clip_max)
        )
        values = torch.where(finite, values, torch.where(torch.isnan(x), x.float(), torch.where(x > 0, high, low)))
    return values, grid

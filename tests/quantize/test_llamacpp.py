"""Matrices in llama.cpp's formats, whatever their width and whatever is in them."""

import math

import pytest
import torch

from qdebug.formats import FORMATS, Gguf, find
from qdebug.quantize import quantize_weight
from qdebug.quantize.ggml.gguf import encode
from qdebug.quantize.ggml.rows import quantize_rows
from qdebug.recipes import TensorPlan
from tests.quantize.tensors import same_bytes

NAMES = [name for name, form in FORMATS.items() if isinstance(form, Gguf)]


@pytest.mark.parametrize("name", NAMES)
def test_whole_blocks_are_ggmls(name):
    w = torch.randn(3, 512)
    got, grid = quantize_weight(w, TensorPlan(name))
    blocks = encode(w, name)
    assert same_bytes(got, blocks.values())
    assert torch.equal(grid.scale, torch.where(blocks.scale == 0, 1.0, blocks.scale))
    assert torch.equal(grid.offset, blocks.offset)
    assert grid.used == len(blocks.codes.unique())
    assert grid.entries == len(find(name).levels)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("columns", [1, 31, 33, 300])
def test_the_last_block_is_filled_with_zeros(name, columns):
    w = torch.randn(3, columns)
    size = find(name).size
    whole = torch.zeros(3, -(-columns // size) * size)
    whole[:, :columns] = w
    got, grid = quantize_rows(w, find(name))
    assert same_bytes(got, encode(whole, name).values()[:, :columns])
    assert grid.scale.shape == (3, -(-columns // find(name).run))
    assert grid.group_size == find(name).run


@pytest.mark.parametrize("name", NAMES)
def test_a_convolution_is_its_matrix(name):
    w = torch.randn(4, 32, 3, 3)
    last = w.contiguous(memory_format=torch.channels_last)
    got = quantize_weight(last, TensorPlan(name))[0]
    assert got.stride() == last.stride()
    assert same_bytes(got, quantize_rows(w.view(4, -1), find(name))[0].view(w.shape))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_not_finite_counts_as_zero_in_its_block(name):
    clean = torch.randn(2, 256)
    clean[:, :3] = 0.0
    damaged = clean.clone()
    damaged[:, :3] = torch.tensor([math.nan, math.inf, -math.inf])
    (one, first), (two, second) = (quantize_weight(w, TensorPlan(name)) for w in (clean, damaged))
    assert torch.equal(first.scale, second.scale)
    assert same_bytes(one[:, 3:], two[:, 3:])
    assert torch.isnan(two[:, 0]).all()
    assert torch.equal(two[:, 1], second.clip_max[:, 0].float())
    assert torch.equal(two[:, 2], second.clip_min[:, 0].float())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(0, 64), (3, 0), (0, 0)])
def test_no_values(name, shape):
    got, grid = quantize_rows(torch.empty(shape), find(name))
    assert got.shape == shape
    assert grid.used == 0


@pytest.mark.parametrize("name", NAMES)
def test_zeros(name):
    got, grid = quantize_rows(torch.zeros(2, 256), find(name))
    assert not got.any()
    assert torch.isfinite(grid.scale).all()
    assert (grid.scale != 0).all()

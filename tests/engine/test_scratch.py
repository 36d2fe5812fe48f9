"""What is put into scratch comes back bit for bit, from a file without a name."""

import pytest
import torch

from qdebug.engine import Rounded
from qdebug.engine.scratch import Scratch
from qdebug.graph.filed import FiledTensor, plain
from qdebug.quantize import QParams

BIG = (300, 256)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.int8, torch.int32, torch.bfloat16])
def test_tensors_come_back_as_they_were(dtype):
    scratch = Scratch()
    given = [(100 * torch.randn(BIG)).to(dtype) for _ in range(3)]
    held = [scratch.filed(one) for one in given]
    assert all(isinstance(one, FiledTensor) for one in held)
    assert all(torch.equal(plain(one), own) and one.dtype == dtype for one, own in zip(held, given, strict=True))


def test_a_view_is_put_there_in_its_own_order():
    given = torch.randn(BIG).T
    assert torch.equal(plain(Scratch().filed(given)), given)


def test_small_tensors_stay_and_filed_ones_are_not_put_twice():
    scratch, small = Scratch(), torch.randn(8)
    assert scratch.filed(small) is small
    once = scratch.filed(torch.randn(BIG))
    assert scratch.filed(once) is once


def test_a_rounded_weight_keeps_its_key_and_its_grid():
    values, scale = torch.randn(1024, 4096), torch.rand(1024, 128) + 0.1
    rounded = Rounded(values, QParams(scale, torch.zeros_like(scale), -8, 7, 32))
    put = Scratch().put(rounded)
    assert isinstance(put.values, FiledTensor) and isinstance(put.grid.scale, FiledTensor)
    assert put.key == rounded.key and put.is_on_grid
    assert torch.equal(plain(put.grid.scale), scale) and torch.equal(put.grid.clip_max, rounded.grid.clip_max)

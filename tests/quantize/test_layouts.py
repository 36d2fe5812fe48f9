"""Strides, rows and groups: where the values of a scale lie in memory."""

import numpy as np
import pytest
import torch

from qdebug.formats import INT4, INT8
from qdebug.quantize import by_channel, choose_qparams, fake_quantize, flat, from_rows, groups, rounding, rows
from tests.quantize import reference
from tests.quantize.tensors import same_bytes

LAYOUTS = {
    "contiguous": lambda x: x,
    "channels last": lambda x: x.contiguous(memory_format=torch.channels_last),
    "transposed": lambda x: x.transpose(0, 1).contiguous().transpose(0, 1),
    "permuted": lambda x: x.permute(3, 0, 2, 1).contiguous().permute(1, 3, 2, 0),
    "strided": lambda x: torch.stack([x, x + 1], dim=-1)[..., 0],
    "expanded": lambda x: x[:, :1].expand(-1, 6, -1, -1),
    "offset": lambda x: torch.cat([torch.zeros(1), x.reshape(-1)])[1:].view(x.shape),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_values_do_not_depend_on_strides(path, layout):
    x = LAYOUTS[layout](torch.randn(4, 6, 3, 5))
    plain = x.contiguous()
    one = choose_qparams(-1.0, 2.0, INT8, False)
    assert same_bytes(fake_quantize(x, one), fake_quantize(plain, one))
    low, high = plain.view(4, -1).amin(1, keepdim=True), plain.view(4, -1).amax(1, keepdim=True)
    for size in (0, 30, 7):
        count = groups(90, size or 90)
        factors = torch.linspace(0.5, 2.0, count)  # every group has a scale of its own
        many = choose_qparams(low * factors, high * factors, INT4, False, group_size=size)
        assert same_bytes(fake_quantize(x, many), fake_quantize(plain, many))


@pytest.mark.parametrize("layout", ["contiguous", "channels last", "transposed", "permuted"])
def test_dense_strides_are_kept(path, layout):
    x = LAYOUTS[layout](torch.randn(4, 6, 3, 5))
    for shape in ((), (4, 1)):
        qparams = choose_qparams(torch.full(shape, -1.0), torch.full(shape, 1.0), INT8, True)
        assert fake_quantize(x, qparams).stride() == x.stride()


def test_out(path):
    x = torch.randn(4, 6, 3, 5)
    qparams = choose_qparams(-1.0, 1.0, INT8, True)
    expected = fake_quantize(x, qparams)
    out = torch.empty(4, 6, 3, 5)
    assert fake_quantize(x, qparams, out=out) is out
    assert same_bytes(out, expected)
    other = torch.empty(4, 6, 3, 5).contiguous(memory_format=torch.channels_last)
    assert fake_quantize(x, qparams, out=other) is other
    assert same_bytes(other, expected)
    assert fake_quantize(x, qparams, out=x) is x
    assert same_bytes(x, expected)


@pytest.mark.parametrize(("columns", "size"), [(32, 8), (30, 8), (5, 8), (7, 1), (65, 64)])
def test_groups_against_the_reference(path, columns, size):
    x = torch.randn(3, columns) * torch.logspace(-1, 1, columns)
    count = groups(columns, size)
    parts = [x[:, g * size : (g + 1) * size] for g in range(count)]
    low, high = (torch.stack([f(p, 1) for p in parts], 1) for f in (torch.amin, torch.amax))
    got = fake_quantize(x, choose_qparams(low, high, INT4, False, group_size=size)).numpy()
    for r in range(3):
        for g, part in enumerate(parts):
            values = part[r].double().numpy()
            expected = reference.fake_quantize(values, *reference.qparams(values.min(), values.max(), 4, False))
            off = np.abs(got[r, g * size : (g + 1) * size] - expected)
            assert (off <= 1e-6 * np.abs(expected) + 1e-12).all()


def test_both_paths_write_the_same_bytes(monkeypatch):
    """On awkward values, ties and shapes, for one scale, rows and groups."""
    pytest.importorskip("numba")
    torch.manual_seed(0)
    special = [0.0, -0.0, torch.nan, torch.inf, -torch.inf, 1e-45, -1e-45, 3.4e38, -3.4e38, 2.0**-126]
    x = torch.cat([torch.randn(70_001), torch.arange(-2000, 1989) * 0.0125, torch.tensor(special)]).view(10, -1)
    cases = []
    for symmetric in (True, False):
        cases.append(choose_qparams(-3.0, 4.0, INT8, symmetric))
        for size in (0, 100, 4099):
            count = groups(x.shape[1], size or x.shape[1])
            low, high = -torch.rand(10, count) * 3, torch.rand(10, count) * 3
            cases.append(choose_qparams(low, high, INT4, symmetric, group_size=size))
    compiled = [fake_quantize(x, qparams) for qparams in cases]
    monkeypatch.setattr(rounding, "kernels", None)
    for qparams, expected in zip(cases, compiled, strict=True):
        assert same_bytes(fake_quantize(x, qparams), expected)


def test_scales_that_do_not_fit_are_refused():
    qparams = choose_qparams(torch.zeros(3, 1), torch.ones(3, 1), INT8, True)
    with pytest.raises(ValueError, match="3 rows"):
        fake_quantize(torch.zeros(4, 5), qparams)
    grouped = choose_qparams(torch.zeros(3, 2), torch.ones(3, 2), INT8, True, group_size=4)
    with pytest.raises(ValueError, match="groups of 4"):
        fake_quantize(torch.zeros(3, 9), grouped)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_rows_and_back(axis):
    w = torch.randn(4, 6, 3)
    matrix = rows(w, axis)
    assert torch.equal(matrix[2], w.select(axis, 2).reshape(-1))
    back = from_rows(matrix, w, axis)
    assert torch.equal(back, w)
    assert back.stride() == w.stride()
    columns_first = w.permute(2, 1, 0).contiguous().permute(2, 1, 0)
    assert from_rows(rows(columns_first, axis), columns_first, axis).stride() == columns_first.stride()


def test_flat_is_a_view_or_nothing():
    x = torch.randn(2, 3, 4)
    permuted = x.permute(2, 0, 1)
    assert flat(permuted).data_ptr() == x.data_ptr()
    assert torch.equal(flat(permuted), x.view(-1))
    assert flat(x[:, ::2]) is None
    assert flat(x[:, :1].expand(2, 3, 4)) is None
    assert flat(torch.randn(1, 5)[:, :3]).shape == (3,)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_by_channel(layout):
    x = LAYOUTS[layout](torch.randn(4, 6, 3, 5))
    for axis in range(4):
        matrix, channels, inner = by_channel(x, axis)
        assert channels == x.shape[axis]
        found = matrix.view(-1, channels, inner).transpose(0, 1).reshape(channels, -1).sort().values
        assert torch.equal(found, x.movedim(axis, 0).reshape(channels, -1).sort().values)

"""Q4_K and Q6_K against what ggml's C makes of the same blocks.

The vectors come from `quantize_row_q4_K_ref` and `quantize_row_q6_K_ref` of llama.cpp at commit 0c1e57098 (ggml
0.25.3, as the source distribution of llama-cpp-python 0.3.36 has it), compiled by gcc 12 for x86-64 without fused
multiply-add; `tests/quantize/data/make_kquants.py` makes them again.
"""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis.extra import numpy as hnp

from qdebug.quantize.ggml import search as kquant_search
from qdebug.quantize.ggml.gguf import encode
from tests.quantize.blocks import families
from tests.quantize.tensors import finite

VECTORS = dict(np.load(Path(__file__).parent / "data" / "kquants.npz"))
NAMES = ["q4_k", "q6_k"]


@pytest.fixture(params=["compiled", "numpy"])
def path(request, monkeypatch):
    """Runs a test on the compiled search and on the numpy one that serves where numba is missing."""
    if request.param == "compiled":
        pytest.importorskip("numba")
        assert kquant_search.kernels is not None
        monkeypatch.setattr(kquant_search, "FEW", 0)
    else:
        monkeypatch.setattr(kquant_search, "kernels", None)


@pytest.mark.usefixtures("path")
@pytest.mark.parametrize("family", sorted(set(VECTORS["family"])))
@pytest.mark.parametrize("name", NAMES)
def test_bytes_are_those_of_ggml(name, family):
    chosen = VECTORS["family"] == family
    packed = encode(torch.from_numpy(VECTORS["x"][chosen]), name).packed
    np.testing.assert_array_equal(packed.numpy(), VECTORS[name][chosen])


def test_the_vectors_hold_what_is_hard():
    assert set(VECTORS["family"]) == set(families(1))
    magnitude = np.abs(VECTORS["x"])
    assert ((magnitude > 0) & (magnitude < 2.0**-126)).any()  # denormal numbers
    for name in NAMES:
        assert len(np.unique(VECTORS[name], axis=0)) > 0.7 * len(magnitude)


def same(one, two):
    """Equal arrays, where one NaN is as good as another."""
    return all(np.array_equal(a, b, equal_nan=a.dtype.kind == "f") for a, b in zip(one, two, strict=True))


def both_ways(search, x, monkeypatch):
    with monkeypatch.context() as patch, np.errstate(all="ignore"):
        patch.setattr(kquant_search, "FEW", 0)
        compiled = search(x)
        patch.setattr(kquant_search, "kernels", None)
        return compiled, search(x)


@pytest.mark.parametrize("search", ["affine_search", "symmetric_search"])
def test_few_sub_blocks_wait_for_no_compiler(search, monkeypatch):
    """Compiling takes seconds the first time on a machine; numpy is done with few in a hundredth of one."""
    monkeypatch.setattr(kquant_search, "kernels", Uncompiled())
    width = 32 if search == "affine_search" else 16
    x = np.random.default_rng(0).standard_normal((kquant_search.FEW + 1, width), np.float32)
    assert len(getattr(kquant_search, search)(x[:100])[0]) == 100
    with pytest.raises(AssertionError, match="compiled"):
        getattr(kquant_search, search)(x)


class Uncompiled:
    def affine_search(self, *_):
        raise AssertionError("it would be compiled")

    symmetric_search = affine_search


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_compiled_and_numpy_searches_agree(count, monkeypatch):
    pytest.importorskip("numba")
    for x in families(max(1, count // 8), seed=count).values():
        fours, sixes = x.reshape(-1, 32)[:count], x.reshape(-1, 16)[:count]
        assert same(*both_ways(kquant_search.affine_search, fours, monkeypatch))
        assert same(*both_ways(kquant_search.symmetric_search, sixes, monkeypatch))


@given(hnp.arrays(np.float32, (2, 32), elements=finite.map(lambda v: np.float32(v).item())))
def test_they_agree_on_any_values(x):
    pytest.importorskip("numba")
    with pytest.MonkeyPatch.context() as patch:
        assert same(*both_ways(kquant_search.affine_search, x, patch))
        assert same(*both_ways(kquant_search.symmetric_search, x.reshape(4, 16), patch))


def test_the_nearest_integer_is_even_for_halves():
    x = np.array([0.5, 1.5, 2.5, -0.5, -1.5, -2.5, 0.49999997, 3.7, -3.7, 0.0], np.float32)
    np.testing.assert_array_equal(kquant_search.nearest_int(x), np.rint(x).astype(np.int32))


def test_what_has_no_nearest_integer_has_ggmls():
    x = np.array([np.inf, -np.inf, np.nan], np.float32)
    assert kquant_search.nearest_int(x).tolist() == [-4194304, -4194304, 0]


@pytest.mark.parametrize("name", NAMES)
def test_the_search_beats_the_plain_scale(name):
    """That is what it is for: less squared error than the largest value and plain rounding give."""
    x = torch.randn(64, 256, generator=torch.Generator().manual_seed(0))
    blocks = encode(x, name)
    sub = x.view(64, -1, blocks.size)
    if name == "q4_k":
        low = sub.amin(2, keepdim=True).clamp(max=0)
        step = (sub.amax(2, keepdim=True) - low) / 15
        plain = ((sub - low) / step).round() * step + low
    else:
        step = sub.abs().amax(2, keepdim=True) / 31
        plain = (sub / step).round() * step
    assert (blocks.values() - x).norm() < 0.99 * (plain.view_as(x) - x).norm()

import math

import numpy as np
import pytest
import torch
from scipy.linalg import block_diag, hadamard

from qdebug.quantize import hadamard as room
from qdebug.quantize.hadamard import block_of, rotate, signs, unrotate


def _values(rows, columns, dtype=torch.float32):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(3), dtype=torch.float64).to(dtype)


def _crest(x):
    return float((x.abs().amax(1) / x.square().mean(1).sqrt()).mean())


@pytest.mark.parametrize(("columns", "block"), [(2, 2), (64, 64), (1024, 1024), (96, 32), (192, 64), (50, 2)])
def test_it_is_the_matrix_of_sylvester_after_signs(columns, block):
    """In float64: x · diag(s) · (I ⊗ H_block) / √block, an orthogonal matrix."""
    x = _values(5, columns, torch.float64)
    turned, used = rotate(x, seed=11)
    whole = np.diag(signs(columns, 11).astype(float)) @ block_diag(*[hadamard(block)] * (columns // block))
    whole /= math.sqrt(block)
    np.testing.assert_allclose(whole @ whole.T, np.eye(columns), atol=1e-12)
    np.testing.assert_allclose(turned.numpy(), x.numpy() @ whole, atol=1e-12)
    assert used == block == block_of(columns)


@pytest.mark.parametrize("columns", [1, 2, 7, 48, 384, 4096])
def test_unrotating_gives_back_the_values(columns):
    x = _values(9, columns)
    turned, _ = rotate(x, seed=5)
    torch.testing.assert_close(unrotate(turned, seed=5), x, rtol=0, atol=4e-6)


def test_norms_and_products_stay():
    x, w = _values(6, 320), _values(4, 320)
    turned, _ = rotate(x, seed=1)
    torch.testing.assert_close(turned.norm(dim=1), x.norm(dim=1), rtol=1e-6, atol=0)
    torch.testing.assert_close(turned @ rotate(w, seed=1)[0].T, x @ w.T, rtol=1e-4, atol=1e-4)


def test_an_outlier_channel_is_spread():
    """One channel 50 times the others: peak over RMS falls from about √C to that of normal values."""
    x = _values(64, 1024)
    x[:, 100] *= 50
    turned, _ = rotate(x, seed=2)
    assert _crest(x) > 15
    assert _crest(turned) < 5
    assert _crest(rotate(_values(64, 1024), seed=2)[0]) == pytest.approx(_crest(_values(64, 1024)), rel=0.05)


def test_an_odd_number_of_columns_is_left_alone():
    x = _values(3, 77)
    turned, block = rotate(x, seed=4)
    assert block == 1
    assert torch.equal(turned, x)
    assert turned.data_ptr() != x.data_ptr()


def test_signs_are_the_same_everywhere():
    """SplitMix64 from seed 1234567 begins 6457827717110365317, 3203168211198807973, 9817491932198370423."""
    assert signs(3, 1234567).tolist() == [-1.0, -1.0, -1.0]
    # From seed 0: 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F, 0xF88BB8A8724C81EC.
    assert signs(4, 0).tolist() == [-1.0, 1.0, -1.0, 1.0]
    assert np.array_equal(signs(1000, 9)[:10], signs(10, 9))
    assert np.array_equal(signs(64, -1), signs(64, 2**64 - 1))
    assert not np.array_equal(signs(64, 0), signs(64, 1))
    assert abs(float(signs(10_000, 7).mean())) < 0.05


def test_the_size_of_the_chunks_changes_nothing(monkeypatch):
    x = _values(33, 256)
    whole, _ = rotate(x, seed=8)
    monkeypatch.setattr(room, "_CHUNK", 1000)
    assert torch.equal(rotate(x, seed=8)[0], whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_short_floats_are_rounded_once(dtype):
    x = _values(4, 512, dtype)
    assert torch.equal(rotate(x, seed=6)[0], rotate(x.float(), seed=6)[0].to(dtype))


def test_strides_and_gradients_do_not_matter():
    x = _values(16, 24)
    assert torch.equal(rotate(x.T, seed=1)[0], rotate(x.T.contiguous(), seed=1)[0])
    assert torch.equal(rotate(x.requires_grad_(), seed=1)[0], rotate(x.detach(), seed=1)[0])


@pytest.mark.parametrize("shape", [(0, 8), (3, 0)])
def test_nothing_in_nothing_out(shape):
    assert rotate(torch.empty(shape), seed=0)[0].shape == shape


def test_the_input_is_not_written_to():
    x = _values(4, 64)
    kept = x.clone()
    rotate(x, seed=0)
    unrotate(x, seed=0)
    assert torch.equal(x, kept)


def test_extra_memory_is_bounded():
    """Buffers that torch allocates while 64 MB are rotated, input and output not counted."""
    x = torch.ones(4096, 4096)
    with torch.profiler.profile(profile_memory=True) as seen:
        rotate(x, seed=0)
    held = np.cumsum(_allocated(seen.profiler.kineto_results.experimental_event_tree()))
    assert x.nbytes <= held.max() < x.nbytes + 64e6


def _allocated(tree):
    """Bytes allocated (freed: negative) in order of time."""
    found, nodes = [], list(tree)
    while nodes:
        node = nodes.pop()
        nodes += node.children
        if node.tag.name == "Allocation":
            found.append((node.start_time_ns, node.extra_fields.alloc_size))
    return [size for _, size in sorted(found)]


@pytest.mark.parametrize("x", [torch.ones(8), torch.ones(2, 2, 2), torch.ones(2, 4, dtype=torch.int64)])
def test_only_float_matrices(x):
    with pytest.raises(ValueError, match="float matrix"):
        rotate(x, seed=0)

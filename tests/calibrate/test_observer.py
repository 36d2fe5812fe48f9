"""The observer against numpy on all the data at once."""

import itertools
import math
import weakref
from collections import Counter
from dataclasses import fields

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from qdebug.calibrate import Observer, observer, passes, tally

LARGEST = float(np.finfo(np.float32).max)


def observe(batches, axis=1, bins=2048):
    seen = Observer(axis, bins)
    for batch in batches:
        seen.update(batch)
    return seen.stats()


def numpy_counts(values, stats):
    """Counts by numpy over the observer's edges (powers of two times integers: exact in float64)."""
    place = np.floor(values.astype(np.float64) / stats.width).astype(np.int64) - stats.origin
    return np.bincount(place, minlength=len(stats.counts))


def check(stats, data, axis):
    """Everything in the stats against the whole data."""
    finite = data[np.isfinite(data)]
    assert stats.count == data.size
    assert stats.finite == finite.size
    assert stats.nan == np.isnan(data).sum()
    assert stats.inf == np.isinf(data).sum()
    assert stats.zeros == (finite == 0).sum()
    assert stats.counts.sum() == finite.size
    channels = np.moveaxis(data, axis, 0).reshape(data.shape[axis], -1)
    for channel, low, high in zip(channels, stats.channel_low, stats.channel_high, strict=True):
        kept = channel[np.isfinite(channel)]
        assert low == (kept.min() if kept.size else math.inf)
        assert high == (kept.max() if kept.size else -math.inf)
    if finite.size:
        assert (stats.low, stats.high) == (finite.min(), finite.max())
        exact = finite.astype(np.float64)
        assert stats.total == pytest.approx(exact.sum(), rel=1e-9, abs=1e-9 * np.abs(exact).sum())
        assert stats.squares == pytest.approx(np.square(exact).sum(), rel=1e-9)
        assert (stats.counts == numpy_counts(finite, stats)).all()
        assert stats.edges[0] <= finite.min()
        assert finite.max() < stats.edges[-1]


SHAPES = {
    "images": ((3, 5, 9, 7), 1), "small planes": ((6, 5, 2, 3), 1), "tokens": ((3, 8, 6), -1), "features": ((20, 6), 1),
    "one channel": ((4, 1, 6, 6), 1), "vector": ((50,), 0), "leading channels": ((5, 40), 0),
}  # fmt: skip


@pytest.mark.parametrize("kind", SHAPES)
def test_against_numpy(path, kind):
    shape, axis = SHAPES[kind]
    batches = [torch.randn(shape) * scale for scale in (1.0, 0.1, 30.0, 2.0)]
    stack = 0 if axis != 0 else 1
    data = torch.cat([batch.view(shape if len(shape) > 1 else (*shape, 1)) for batch in batches], dim=stack)
    check(observe(batches, axis), data.numpy(), axis)


@pytest.mark.parametrize("layout", ["channels last", "transposed", "strided", "expanded", "offset"])
def test_any_strides(path, layout):
    x = torch.randn(4, 6, 7, 5)
    x = {
        "channels last": lambda: x.contiguous(memory_format=torch.channels_last),
        "transposed": lambda: x.transpose(0, 3).contiguous().transpose(0, 3),
        "strided": lambda: x[:, ::2, 1:, ::3],
        "expanded": lambda: x[:1, :, :, :1].expand(4, 6, 7, 5),
        "offset": lambda: torch.cat([torch.zeros(1), x.reshape(-1)])[1:].view(x.shape),
    }[layout]()
    for axis in range(4):
        check(observe([x], axis), x.numpy(), axis)


@pytest.mark.parametrize("shape", [(3, 4, 6, 6), (30, 4), (5, 7, 4)])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nan_and_inf_are_counted_and_nothing_else(path, shape, bad):
    x = torch.randn(shape)
    clean = x.clone()
    x.view(-1)[::5] = bad
    check(observe([clean, x, clean]), torch.cat([clean, x, clean]).numpy(), 1)
    x[:, 2] = bad
    check(observe([x]), x.numpy(), 1)


def test_negative_nans_count_too(path):
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    x[0, 0] = torch.tensor(0xFFC00000 - 2**32, dtype=torch.int32).view(torch.float32)
    check(observe([x]), x.numpy(), 1)


def test_nothing_finite(path):
    stats = observe([torch.full((2, 3), math.nan), torch.full((2, 3), math.inf)])
    assert (stats.count, stats.finite, stats.nan, stats.inf) == (12, 0, 6, 6)
    assert stats.counts.sum() == 0
    assert (stats.low, stats.high, stats.mean, stats.std, stats.quantile(0.5)) == (0, 0, 0, 0, 0)
    assert stats.histogram()[2].sum() == 0


def test_nothing_at_all():
    seen = Observer(1)
    seen.update(torch.empty(0, 3))
    stats = seen.stats()
    assert (stats.count, stats.batches, stats.finite) == (0, 0, 0)


def test_an_attention_masks_constant_overflows_nothing(path):
    x = torch.randn(2, 4, 50)
    x[:, :, 25:] = -LARGEST
    stats = observe([torch.randn(2, 4, 50), x])
    assert stats.low == -LARGEST
    assert stats.counts.sum() == stats.finite == 800
    assert math.isfinite(stats.squares)
    assert math.isfinite(stats.std)
    assert all(math.isfinite(edge) for edge in stats.histogram()[:2])


EXTREMES = [
    [0.0], [1e-45], [LARGEST], [-LARGEST, LARGEST], [1e-45, LARGEST], [1.0, 1.0 + 2**-23], [-0.0, 0.0], [-1e-45, 1e-45],
    [2.0**-126, 0.0], [16777216.0, 16777217.0, 16777218.0], [-1.0, 1.0],
]  # fmt: skip


@pytest.mark.parametrize("values", EXTREMES)
def test_extreme_values(path, values):
    x = torch.tensor(values).view(-1, 1)
    check(observe([x]), x.numpy(), 1)
    check(observe([v.view(1, 1) for v in x]), x.numpy(), 1)


floats = st.one_of(st.floats(-10, 10, width=32), st.floats(width=32))
batch = hnp.arrays(np.float32, st.tuples(st.integers(1, 6), st.just(3)), elements=floats)


@given(st.lists(batch, min_size=1, max_size=5), st.integers(0, 9), st.sampled_from([16, 64, 2048]))
@example([np.zeros((1, 3), np.float32), np.full((1, 3), 2.0**-126, np.float32)], 0, 16)
@example([np.array([[1e-45, -1e-45, 1.0]], np.float32), np.array([[LARGEST, 0, 0]], np.float32)], 0, 16)
def test_any_stream_in_any_order_gives_the_same_histogram(batches, seed, bins):
    whole = np.concatenate(batches)
    stats = observe([torch.from_numpy(part) for part in batches], bins=bins)
    check(stats, whole, 1)
    shuffled = np.random.default_rng(seed).permutation(whole)
    other = observe([torch.from_numpy(row[None]) for row in shuffled], bins=bins)
    assert (stats.exponent, stats.origin) == (other.exponent, other.origin)
    assert (stats.counts == other.counts).all()


def test_both_paths_agree(monkeypatch):
    pytest.importorskip("numba")
    torch.manual_seed(0)
    batches = [torch.randn(8, 4, 40, 3) * 10.0**k for k in (-3, 0, 2)]
    batches[1][0, 0, 0, 0] = math.nan
    compiled = observe(batches)
    monkeypatch.setattr(passes, "kernels", None)
    plain = observe(batches)
    for field in fields(compiled):
        one, two = getattr(compiled, field.name), getattr(plain, field.name)
        if field.name in ("total", "squares"):
            assert one == pytest.approx(two, rel=1e-12, abs=1e-9)
        else:
            assert np.array_equal(one, two), field.name


def test_big_batches_are_looked_at_in_pieces(path, monkeypatch):
    monkeypatch.setattr(observer, "_PIECE", 100)
    for shape, axis in SHAPES.values():
        x = torch.randn(shape)
        check(observe([x], axis), x.numpy(), axis)


class Watch(TorchDispatchMode):
    """The bytes in tensors that are alive at a time, but for those of one tensor."""

    def __init__(self, apart):
        super().__init__()
        self.apart, self.alive, self.size, self.peak = apart.untyped_storage().data_ptr(), Counter(), {}, 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        out = function(*args, **(kwargs or {}))
        for made in tree_leaves(out):
            if isinstance(made, torch.Tensor) and made.untyped_storage().data_ptr() != self.apart:
                place = made.untyped_storage().data_ptr()
                self.alive[place] += 1
                self.size[place] = made.untyped_storage().nbytes()
                weakref.finalize(made, self.alive.subtract, [place])
        self.peak = max(self.peak, sum(self.size[place] for place, many in self.alive.items() if many > 0))
        return out


@pytest.mark.parametrize("layout", ["dense", "half", "transposed", "expanded", "strided"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_memory_is_that_of_a_few_pieces_whatever_the_size(path, monkeypatch, layout, axis):
    """64 MiB in all: a batch is cut into pieces before anything is copied, and 2^20 values of 64 bits are 8 MiB."""
    assert observer._PIECE == 1 << 20
    monkeypatch.setattr(observer, "_PIECE", 1 << 12)
    x = torch.randn(64, 50, 33)
    x.view(-1)[::100] = math.nan
    x = {
        "dense": x.clone, "half": x.half, "transposed": lambda: x.transpose(0, 2),
        "expanded": lambda: x[:, :1].expand(64, 50, 33), "strided": lambda: x[:, ::2],
    }[layout]()  # fmt: skip
    with Watch(x) as watch:
        stats = observe([x], axis)
    assert stats.count == x.numel()
    assert 0 < watch.peak < 64 << 12


@pytest.mark.parametrize(("shape", "axis"), [((1 << 15, 1 << 15), 0), ((7, 1 << 14, 1 << 13), 2), ((1, 1 << 28), 1)])
def test_pieces_of_a_batch_too_large_for_memory(shape, axis):
    x = torch.ones(1).expand(shape)
    for piece in itertools.islice(passes.pieces(x, axis, 1 << 16), 5):
        assert piece.values.numel() <= 1 << 16
        assert piece.channels.stop <= shape[axis]


def test_half_of_the_bins_span_the_values():
    for scale in (0.3, 1.0, 1.7, 100.0):
        stats = observe([torch.randn(1000, 3) * scale])
        assert (stats.high - stats.low) / stats.width >= 1023


def test_memory_does_not_grow():
    stats = observe([torch.randn(10, 3) * 2.0**k for k in range(-20, 20)], bins=64)
    assert stats.counts.size == 64


def test_moving_average_is_torchs():
    from torch.ao.quantization.observer import MovingAverageMinMaxObserver

    torchs = MovingAverageMinMaxObserver(averaging_constant=0.01)
    batches = [torch.randn(50, 3) * (1 + k) for k in range(6)]
    for part in batches:
        torchs(part)
    stats = observe(batches)
    assert stats.average_low == pytest.approx(torchs.min_val.item(), rel=1e-5)
    assert stats.average_high == pytest.approx(torchs.max_val.item(), rel=1e-5)


def test_moments():
    batches = [torch.randn(500, 3) + 5 for _ in range(3)]
    stats, data = observe(batches), torch.cat(batches).double()
    assert stats.mean == pytest.approx(data.mean().item(), rel=1e-12)
    assert stats.std == pytest.approx(data.std(correction=0).item(), rel=1e-9)
    assert observe([torch.full((10, 3), 0.1)]).std == pytest.approx(0.0, abs=1e-8)


@pytest.mark.parametrize("share", [0.001, 0.05, 0.5, 0.9, 0.9999])
def test_quantiles_are_right_to_within_a_bin(share):
    data = torch.cat([torch.randn(4000, 3), torch.randn(4000, 3).relu() * 4])
    stats = observe(data.split(500))
    exact = np.quantile(data.double().numpy(), share)
    assert abs(stats.quantile(share) - exact) <= stats.width


special = st.sampled_from([0.0, -0.0, 1e-45, -1e-45, LARGEST, math.nan, math.inf, -math.inf])
layouts = st.one_of(
    st.tuples(st.integers(1, 40), st.just(3)), st.tuples(st.integers(1, 12), st.just(3), st.integers(1, 40)),
    st.tuples(st.integers(1, 9), st.just(3), st.integers(1, 5), st.integers(1, 9)),
)  # fmt: skip


@given(st.data(), layouts, st.integers(-40, 40), st.integers(1, 5), st.sampled_from([64, 2048]))
def test_counts_and_percentiles_for_any_shape_split_and_magnitude(data, shape, magnitude, cuts, bins):
    seed = data.draw(st.integers(0, 2**32 - 1))
    x = np.random.default_rng(seed).standard_normal(shape).astype(np.float32) * np.float32(2.0**magnitude)
    for place, value in data.draw(st.lists(st.tuples(st.integers(0, x.size - 1), special), max_size=5)):
        x.reshape(-1)[place] = value
    stats = observe([torch.from_numpy(part) for part in np.array_split(x, cuts)], bins=bins)
    finite = x[np.isfinite(x)].astype(np.float64)
    assert stats.counts.sum() == stats.finite == finite.size
    assert stats.count == x.size == stats.finite + stats.nan + stats.inf
    for share in (0.0, 0.01, 0.5, 0.999, 1.0) if finite.size else ():
        exact = np.quantile(finite, share)
        assert abs(stats.quantile(share) - exact) <= stats.width * (1 + 1e-9)


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("place", [0, 70_000, 199_999])
def test_a_stop_in_the_middle_loses_nothing(path, axis, place):
    """The compiled loop stops at values that are not finite, or leave the bins, and goes on after them."""
    x = torch.randn(200, 1000)
    for value in (math.nan, -math.inf, 1e6, -1e30):
        x.view(-1)[place] = value
        check(observe([x[:50], x[50:]], axis if axis else 1), x.numpy(), axis if axis else 1)
        check(observe([x], axis), x.numpy(), axis)
    x[::3, ::7] = math.inf
    check(observe([x], axis), x.numpy(), axis)


def test_quantiles_stay_in_the_range():
    stats = observe([torch.tensor([[0.3, 0.4, 0.7]])])
    assert stats.quantile(0.0) == np.float32(0.3)
    assert stats.quantile(1.0) == np.float32(0.7)


@pytest.mark.parametrize("bins", [10, 64, 256])
def test_a_histogram_to_draw(bins):
    stats = observe([torch.randn(1000, 3) * 3])
    low, high, counts = stats.histogram(bins)
    assert bins / 4 < len(counts) <= bins
    assert counts.sum() == stats.finite
    assert low <= stats.low
    assert stats.high <= high
    width = (high - low) / len(counts)
    assert low / width == round(low / width), "zero is an edge"
    data = np.concatenate([np.repeat(low + (i + 0.5) * width, n) for i, n in enumerate(counts)])
    assert data.mean() == pytest.approx(stats.mean, abs=width)


def test_other_dtypes_are_read_as_float32(path):
    x = torch.randn(20, 3)
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        check(observe([x.to(dtype)]), x.to(dtype).float().numpy(), 1)


def test_a_change_of_channels_is_a_mistake_of_ours():
    seen = Observer(1)
    seen.update(torch.randn(2, 3))
    with pytest.raises(ValueError, match="4 channels after 3"):
        seen.update(torch.randn(2, 4))


def test_what_was_handed_out_does_not_change():
    seen = Observer(1)
    seen.update(torch.randn(2, 3))
    before = seen.stats()
    counts, low = before.counts.copy(), before.channel_low.copy()
    seen.update(torch.randn(2, 3) * 100)
    assert (before.counts == counts).all()
    assert (before.channel_low == low).all()


def test_tables_are_emptied_before_they_overflow(path, monkeypatch):
    monkeypatch.setattr(tally, "_ROOM", 100)
    x = torch.randn(40, 6)
    check(observe([x, x * 3, x]), torch.cat([x, x * 3, x]).numpy(), 1)


@pytest.mark.parametrize("bins", [0, -1, 65537])
def test_an_impossible_number_of_bins(bins):
    with pytest.raises(ValueError, match="65536"):
        Observer(1, bins)

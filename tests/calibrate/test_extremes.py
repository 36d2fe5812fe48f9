"""Which samples hold the farthest values, seen in any batches, against plain numpy over all data at once."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.calibrate import Extremes


def watch(values, sizes, low=-1.0, high=1.0):
    seen, first = Extremes(low, high), 0
    for size in sizes:
        seen.update(values[first : first + size], first)
        first += size
    return seen


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 7), min_size=1, max_size=6))
def test_any_batches_give_what_all_at_once_gives(seed, sizes):
    rng = np.random.default_rng(seed)
    values = np.round(rng.normal(0, 1, (sum(sizes), 3, 2)), 1).astype(np.float32)  # rounded: so that some are shared
    seen = watch(torch.from_numpy(values), sizes)
    flat = values.reshape(len(values), -1)
    for farthest, each in ((seen.highest, flat.max(1)), (seen.lowest, -flat.min(1))):
        ordered = np.sort(each)
        assert farthest.value == ordered[-1]
        assert farthest.is_alone == (len(each) == 1 or ordered[-1] > ordered[-2])
        assert farthest.sample == int(np.argmax(each)) or not farthest.is_alone
        assert farthest.runner_up == (ordered[-2] if len(each) > 1 else -np.inf)
    assert seen.share_outside == np.mean((flat < -1) | (flat > 1))


def test_nan_and_inf_count_for_nothing():
    values = torch.tensor([[0.5, torch.nan], [2.0, -torch.inf], [torch.inf, torch.nan], [-3.0, 0.0]])
    seen = watch(values, [2, 2])
    assert (seen.highest.value, seen.highest.sample, seen.highest.runner_up) == (2.0, 1, 0.5)
    assert (seen.lowest.value, seen.lowest.sample) == (3.0, 3)
    assert (seen.count, seen.outside) == (4, 2)


def test_nothing_seen():
    seen = watch(torch.zeros(0, 4), [0])
    assert (seen.count, seen.share_outside, seen.highest.sample) == (0, 0.0, None)


@pytest.mark.parametrize("order", ["contiguous", "channels last", "transposed"])
def test_strides_do_not_matter(order):
    values = torch.randn(6, 4, 5, 3)
    seen = {
        "contiguous": values,
        "channels last": values.contiguous(memory_format=torch.channels_last),
        "transposed": values.transpose(1, 3).contiguous().transpose(1, 3),
    }[order]
    assert watch(seen, [6]).highest.value == float(values.max())

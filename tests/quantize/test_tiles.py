"""A matrix in parts: every value in one of them, whole groups together, none too large."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.quantize.tiles import spread, tiles


@given(st.integers(0, 9), st.integers(0, 60), st.integers(1, 70), st.integers(1, 90))
def test_every_value_is_in_one_part_with_its_group(rows, columns, size, most):
    seen = torch.zeros(rows, columns, dtype=torch.int64)
    groups = max(1, -(-columns // size))
    scale = torch.arange(rows * groups).view(rows, groups)
    expected = scale.repeat_interleave(size, dim=1)[:, :columns]
    for tile in tiles(rows, columns, size, most):
        seen[tile] += 1
        part = seen[tile]
        assert part.numel() <= max(most, min(size, columns))
        assert torch.equal(spread(scale, tile, size).expand(part.shape), expected[tile])
    assert bool((seen == 1).all())


def test_one_scale_stays_one():
    one = torch.tensor(2.0)
    assert spread(one, (slice(0, 1), slice(0, 4)), 4) is one

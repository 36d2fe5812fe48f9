"""Hypothesis strategies for tensors and ranges, with the corners of float32 in them."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

LARGEST = float(np.finfo(np.float32).max)
CORNERS = [0.0, -0.0, 1.0, -1.0, 1e-45, -1e-45, 2.0**-126, 1e-30, LARGEST, -LARGEST, 3e38, 65504.0]

finite = st.one_of(
    st.floats(-4.0, 4.0, width=32), st.floats(width=32, allow_nan=False, allow_infinity=False), st.sampled_from(CORNERS)
)
anything = st.one_of(finite, st.sampled_from([np.nan, np.inf, -np.inf]))


def arrays(elements=finite, longest: int = 70):
    return hnp.arrays(np.float32, st.integers(1, longest), elements=elements.map(lambda v: np.float32(v).item()))


def tensors(elements=finite, longest: int = 70):
    return arrays(elements, longest).map(torch.from_numpy)


bits = st.integers(2, 8)


def same_bytes(one: torch.Tensor, two: torch.Tensor) -> bool:
    """Equal in every bit, except that one NaN is as good as another."""
    one, two = one.contiguous(), two.contiguous()
    nan = torch.isnan(one)
    return bool(
        one.shape == two.shape
        and torch.equal(nan, torch.isnan(two))
        and torch.equal(one[~nan].view(torch.int32), two[~nan].view(torch.int32))
    )

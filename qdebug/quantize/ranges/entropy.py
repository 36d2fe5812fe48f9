"""The clip limit that loses least information, as in TensorRT's calibration.

That is the one with the smallest Kullback–Leibler divergence of the quantized from the clipped distribution (Migacz,
"8-bit inference with TensorRT", GTC 2017).

As published, for int8: magnitudes are counted in equal bins. For each number i of bins to keep, from 128 up, the
reference P is the first i bins with everything beyond added to the last of them; the candidate Q is the first i bins,
without what lies beyond, in 128 groups, each group's count spread evenly over those of its bins that are not empty;
both are made to sum to one, and the i of the smallest Σ P log(P / Q) wins.

Generalized here:

- 128 is ``2^(bits − 1)``, the number of magnitudes a symmetric grid has.
- On an affine grid bins are kept from ``−i`` to ``i`` as far as values were seen, in ``2^bits`` groups; what lies
  beyond either end goes to that end's bin. For one-sided data that is the published scheme with ``2^bits`` groups.
- Where i is no multiple of the number of groups, group g begins at bin ``⌊g · i / groups⌋``.
- Exact zeros are left out: they round to themselves at any limit, and behind a ReLU would be most of P.
- An empty last bin with values beyond it has P > 0 where Q = 0: the divergence is infinite, as its formula says.
- Of equal divergences the widest range wins. With fewer bins than groups nothing is clipped.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROOM = 1 << 19
"""Group sums held at a time."""


def entropy_limit(
    positive: NDArray[np.int64], negative: NDArray[np.int64], bits: int, symmetric: bool, most: int = 1 << 16
) -> NDArray[np.int64]:
    """How many bins of magnitude to keep, for each tensor.

    Args:
        positive: counts ``[R, n]`` of the values above zero of R tensors; bin k is ``[k, k + 1)`` in some unit.
        negative: the same of the magnitudes of the values below zero.
        bits: bits of a code.
        symmetric: the grid is centred at zero.
        most: limits to try at most, evenly spread; by default every one.

    Returns:
        int64 ``[R]``, from 1 to n.
    """
    if symmetric:
        positive, negative = positive + negative, np.zeros_like(negative)
    groups = 1 << (bits - 1 if symmetric else bits)
    kept = np.empty(len(positive), np.int64)
    for r, (above, below) in enumerate(zip(positive, negative, strict=True)):
        kept[r] = _search(above, below, groups, most)
    return kept


def _search(above: NDArray[np.int64], below: NDArray[np.int64], groups: int, most: int) -> int:
    bins = len(above)
    ends = [int(side.nonzero()[0][-1]) + 1 if side.any() else 0 for side in (below, above)]
    kept = np.arange(1, max(*ends, 1) + 1)
    starts, stops = bins - np.minimum(kept, ends[0]), bins + np.minimum(kept, ends[1])
    enough = stops - starts >= groups
    counts = np.concatenate([below[::-1], above])
    total = np.concatenate([[0], np.cumsum(counts)])
    # a limit whose outermost bin is empty though values lie beyond has an infinite divergence
    enough &= (counts[starts] > 0) | (total[starts] == 0)
    enough &= (counts[stops - 1] > 0) | (total[stops] == total[-1])
    tried = enough.nonzero()[0]
    if not tried.size:
        return bins
    if tried.size > most:
        tried = tried[np.unique(np.linspace(0, tried.size - 1, most).astype(np.int64))]
    values = np.concatenate([
        _divergences(counts, total, starts[part], stops[part], groups)
        for part in np.array_split(tried, -(-tried.size * groups // _ROOM))
    ])  # fmt: skip
    best = tried[::-1][values[::-1].argmin()]
    return bins if stops[best] == bins + ends[1] and starts[best] == bins - ends[0] else int(kept[best])


def _divergences(
    counts: NDArray[np.int64],
    total: NDArray[np.int64],
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    groups: int,
) -> NDArray[np.float64]:
    """Σ P log(P / Q) of each window ``[start, stop)`` of bins, from cumulated sums.

    P log P sums over bins, and within a group log Q is one number: so P log Q needs the group's sum of P alone.
    """
    filled = np.concatenate([[0], np.cumsum(counts > 0)])
    edges = starts[:, None] + np.arange(groups + 1) * (stops - starts)[:, None] // groups
    inside = np.diff(total[edges], axis=1).astype(np.float64)
    spread = np.log(np.maximum(inside, 1.0) / np.maximum(np.diff(filled[edges], axis=1), 1))
    left, right, everything = total[starts], total[-1] - total[stops], total[-1]
    # there are as many bins as groups or more, so the outermost bins are in the outermost groups
    cross = (inside * spread).sum(1) + left * spread[:, 0] + right * spread[:, -1]
    own = np.concatenate([[0.0], np.cumsum(_xlogx(counts))])
    first, last = counts[starts], counts[stops - 1]
    entropy = own[stops] - own[starts]
    entropy += _xlogx(first + left) - _xlogx(first) + _xlogx(last + right) - _xlogx(last)
    return (entropy - cross) / everything + np.log((total[stops] - total[starts]) / everything)


def _xlogx(x: NDArray[np.int64]) -> NDArray[np.float64]:
    return x * np.log(np.maximum(x, 1))

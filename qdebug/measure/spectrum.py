"""How much of a matrix its best approximations of low rank hold.

By Eckart and Young (1936) the best approximation of rank r of E leaves the sum of the squares of all singular values
behind the r-th. With E = Ŵ − W, what it does not leave is what a low-rank correction can take away of the weight's
squared error: LoRC (Yao et al. 2023, arXiv:2303.08302, section 5) adds such a product to the quantized weight, and
SVDQuant (Li et al. 2024, arXiv:2411.05007) takes large directions out before rounding. Errors of rounding are close to
independent noise, whose spectrum is nearly flat: then a low rank wins little. What it would win of independent noise of
that shape follows from the law of Marchenko and Pastur (1967).
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

MOST_EXACT = 1024
"""The smaller side of a matrix up to which all of its singular values are computed."""
LEADING = 128
"""How many are of a larger one."""
MOST_VALUES = 1 << 27
"""A matrix of more is not taken apart at all."""
_BESIDE = 64
_POINTS = 4096


def held(matrix: Tensor) -> tuple[NDArray[np.float64], bool]:
    """The share of the sum of squares that the best approximation of rank 1, 2 … holds.

    Computed in float64 from the eigenvalues of the smaller Gram matrix, which are the squared singular values, to about
    1e-16 of the largest. Of matrices whose smaller side is beyond :data:`MOST_EXACT`, the first :data:`LEADING` alone,
    in float32 by a randomized method with three power iterations (Halko, Martinsson and Tropp 2011, algorithm 4.4),
    which can only find too little: of flat spectra up to a tenth, of steep ones next to nothing.

    Args:
        matrix: ``[R, C]``; NaN and Inf count as 0.

    Returns:
        Shares in ascending order (empty for a matrix of zeros), and whether all ranks are there and exact.
    """
    exact = min(matrix.shape) <= MOST_EXACT
    clean = matrix.detach().to(torch.float64 if exact else torch.float32).nan_to_num(0.0, 0.0, 0.0)
    wide = clean if clean.shape[0] <= clean.shape[1] else clean.T
    largest = float(wide.abs().max()) if wide.numel() else 0.0
    if not largest:
        return np.zeros(0), True
    wide = wide / largest  # squares of tiny errors would be lost
    total = float(wide.square().sum(dtype=torch.float64))
    squares = _squares(wide) if exact else _leading(wide)
    shares = squares.clip(min=0.0).cumsum() / total
    if exact:
        shares /= shares[-1]
    return shares.clip(max=1.0), exact


def noise(rows: int, columns: int, ranks: int) -> NDArray[np.float64]:
    """What independent noise of equal variance in that shape holds in its best approximations of rank 1, 2 … ``ranks``.

    The law of Marchenko and Pastur, exact in the limit of large matrices: the eigenvalues of the Gram matrix over the
    longer side lie between ``(1 − √β)²`` and ``(1 + √β)²`` with β = shorter / longer side.
    """
    short, long = min(rows, columns), max(rows, columns)
    beta = short / long
    low, high = (1 - beta**0.5) ** 2, (1 + beta**0.5) ** 2
    # In this angle the density has no pole at its ends, not even where the smaller one is 0.
    angles = (np.arange(_POINTS) + 0.5) * np.pi / _POINTS
    values = (low + high) / 2 + (high - low) / 2 * np.cos(angles)
    mass = np.sin(angles) ** 2 / values
    count, power = (np.concatenate([[0.0], part.cumsum()]) for part in (mass, mass * values))
    share: NDArray[np.float64] = np.interp(np.arange(1, ranks + 1) / short, count / count[-1], power / power[-1])
    return share


def useful_rank(rows: int, columns: int, most: int = 16) -> int:
    """The largest rank up to ``most`` with which two factors hold at most half as many values as the matrix."""
    return min(most, rows * columns // (2 * (rows + columns)))


def _squares(wide: Tensor) -> NDArray[np.float64]:
    """All squared singular values, largest first."""
    return torch.linalg.eigvalsh(wide @ wide.T).flip(0).numpy()


def _leading(wide: Tensor) -> NDArray[np.float64]:
    """The largest squared singular values, or a little less."""
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(wide.shape[1], LEADING + _BESIDE, generator=generator, dtype=wide.dtype)
    basis = torch.linalg.qr(wide @ probe)[0]
    for _ in range(3):
        basis = torch.linalg.qr(wide @ torch.linalg.qr(wide.T @ basis)[0])[0]
    return _squares((basis.T @ wide).double())[:LEADING]

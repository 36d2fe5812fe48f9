"""Codebooks learned from the weights themselves: scalar k-means, exact on a fine histogram, and vector k-means."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.formats import Codebook
from qdebug.quantize.levels import LevelGrid, round_to_levels
from qdebug.quantize.partition import best_means

_CELLS = 2048
"""Distinct places that the exact search tells apart; more values than that are put together in equal shares of rank."""

_SWEEPS = 25
_LEARNING = 64
"""Vectors per codeword that vector codebooks are learned from; more change little and cost much."""

_CHUNK = 1 << 11
"""Vectors whose distances to all codewords are held at once, so that they stay in the cache."""

_NORMAL, _LARGEST = 2.0**-14, 65504.0
"""The smallest normal and the largest float16."""


def scalar_codebook(x: Tensor, form: Codebook) -> tuple[Tensor, LevelGrid]:
    """Each row of ``x [R, C]`` with the k levels that give it the smallest squared error.

    Up to 2048 distinct values the levels are the optimum: k-means in one dimension is solved by dynamic programming
    over sorted values (Wang and Song 2011, Ckmeans.1d.dp; Fisher 1958). Beyond, values are first put together in 2048
    cells of equal count, and Lloyd's iteration on all values polishes the result. Levels are then stored (see
    :func:`stored`). NaN and ±Inf have no say; NaN stays NaN, ±Inf becomes the outermost level.

    Returns:
        The quantized matrix, float32, and its grid, with levels ``[R, k]``.
    """
    values = x.detach().float().contiguous()
    levels = torch.zeros(len(x), form.entries)
    for i, row in enumerate(values):
        levels[i] = torch.from_numpy(_best_levels(row.numpy(), form.entries, len(values)))
    grid = LevelGrid(form, stored(levels), torch.ones(len(x), 1))
    out = torch.empty_like(values)
    round_to_levels(values, out, grid, max(x.shape[1], 1))
    return out, grid


def vector_codebook(x: Tensor, form: Codebook, seed: int = 0) -> tuple[Tensor, LevelGrid]:
    """``x [R, C]`` with each run of ``form.dimension`` values along a row replaced by its nearest codeword.

    k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's iteration on at most 64 vectors per codeword, drawn with a
    fixed seed; codewords are then stored (see :func:`stored`), and every vector gets the nearest one, in float64.
    A row whose length is no multiple of the dimension is padded with zeros, which are cut off again. Runs with a NaN or
    ±Inf have no say in the codewords where there are others; they get the one nearest in what is finite. NaN stays NaN.

    Returns:
        The quantized matrix, float32, and a grid with all coordinates of all codewords as levels.
    """
    columns = x.shape[1]
    padded = torch.nn.functional.pad(x.detach().float(), (0, -columns % form.dimension))
    vectors = padded.reshape(-1, form.dimension)
    known = torch.isfinite(vectors)
    whole = known.all(1)
    clean = torch.where(known, vectors, 0.0)
    words = stored(_kmeans(clean[whole] if bool(whole.any()) else clean, form.entries, seed).reshape(1, -1))
    words = words.view(-1, form.dimension)
    places = _nearest(clean.double(), words.double())
    places[~whole] = _nearest(clean[~whole].double(), words.double(), known[~whole])
    quantized = torch.where(torch.isnan(vectors), vectors, words[places])
    coordinates = words.unique() if words.numel() else torch.zeros(1)
    grid = LevelGrid(form, coordinates, torch.ones(()), used=len(places.unique()), entries=form.entries)
    return quantized.view(*padded.shape)[:, :columns].contiguous(), grid


def stored(words: Tensor) -> Tensor:
    """Codebooks ``[books, numbers]`` as they are read again, float32: float16 times a power of two for each book.

    The power is 1 where the book's largest magnitude is a normal float16, as it is of nearly all networks; else it is
    that magnitude's own, so that a book of weights near 1e6 does not overflow nor one near 1e-9 vanish. No codeword is
    off by more than 2^−11 of itself or, if that is more, 2^−25 of the largest (2^−25 where the power is 1).
    """
    most = words.double().abs().amax(1, keepdim=True) if words.numel() else words.new_zeros(len(words), 1).double()
    _, exponent = torch.frexp(most)
    usual = (most == 0) | ((most >= _NORMAL) & (most <= _LARGEST))
    power = torch.ldexp(torch.ones_like(most), torch.where(usual, 0, exponent - 1).clamp(-127, 127))
    limit = 2.0**127 * (2.0 - 2.0**-10)  # the largest float32 of a float16's digits
    return ((words.double() / power).half().double() * power).clamp(-limit, limit).float() + 0.0


def _best_levels(row: NDArray[np.float32], k: int, rows: int) -> NDArray[np.float32]:
    values = row[np.isfinite(row)].astype(np.float64)
    if not values.size:
        return np.zeros(k, np.float32)
    places, counts = np.unique(values, return_counts=True)
    if places.size > _CELLS:
        cells = np.array_split(np.sort(values), _CELLS)
        places, counts = np.array([cell.mean() for cell in cells]), np.array([cell.size for cell in cells])
        return _lloyd(values, best_means(places, counts, k, rows))
    return best_means(places, counts, k, rows).astype(np.float32)


def _lloyd(values: NDArray[np.float64], levels: NDArray[np.float64]) -> NDArray[np.float32]:
    ordered = np.sort(values)
    total = np.concatenate([[0.0], np.cumsum(ordered)])
    for _ in range(_SWEEPS):
        cuts = np.concatenate([[0], np.searchsorted(ordered, (levels[1:] + levels[:-1]) / 2), [ordered.size]])
        many = np.diff(cuts)
        moved = np.where(many > 0, np.diff(total[cuts]) / np.maximum(many, 1), levels)
        if np.array_equal(moved, levels):
            break
        levels = moved
    return levels.astype(np.float32)


def _kmeans(vectors: Tensor, k: int, seed: int) -> Tensor:
    """Codewords ``[k, dimension]``, float64; zeros where there are no vectors."""
    if not len(vectors):
        return torch.zeros(k, vectors.shape[1], dtype=torch.float64)
    dice = np.random.default_rng(seed)
    if len(vectors) > _LEARNING * k:
        vectors = vectors[torch.from_numpy(dice.choice(len(vectors), _LEARNING * k, replace=False))]
    _, exponent = torch.frexp(vectors.abs().amax())
    unit = 2.0 ** int(exponent)  # squares of what is very large or small would leave float32
    vectors = (vectors.double() / unit).float()
    words = _start(vectors, k, dice)
    for _ in range(_SWEEPS):
        places = _nearest(vectors, words)
        many = torch.bincount(places, minlength=k).double().unsqueeze(1)
        sums = torch.zeros(k, vectors.shape[1], dtype=torch.float64).index_add_(0, places, vectors.double())
        moved = torch.where(many > 0, sums / many.clamp(min=1), words.double()).float()
        if torch.equal(moved, words):
            break
        words = moved
    return words.double() * unit


def _start(vectors: Tensor, k: int, dice: np.random.Generator) -> Tensor:
    """k-means++: each further word is a vector drawn with probability by its squared distance to the words so far."""
    words = vectors[int(dice.integers(len(vectors)))].expand(k, -1).clone()
    distance = (vectors - words[0]).square().sum(1, dtype=torch.float64)
    for i in range(1, k):
        total = float(distance.sum())
        if total == 0.0:
            break  # fewer distinct vectors than words
        at = int(torch.searchsorted(distance.cumsum(0), dice.random() * total).clamp(max=len(vectors) - 1))
        words[i] = vectors[at]
        distance = torch.minimum(distance, (vectors - words[i]).square().sum(1, dtype=torch.float64))
    return words


def _nearest(vectors: Tensor, words: Tensor, known: Tensor | None = None) -> Tensor:
    """The number of the nearest word, the first of equals; by the ``known`` coordinates, the others being zero."""
    squares = words.square() / 2
    if known is not None:
        return (known.to(words.dtype) @ squares.t() - vectors @ words.t()).argmin(1)
    half = squares.sum(1)
    found = [(half - part @ words.t()).argmin(1) for part in vectors.split(_CHUNK)]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.long)

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

_SWEEPS = 50
_LEARNING = 128
"""Vectors per codeword that vector codebooks are learned from; more change little and cost much."""

_CHUNK = 1 << 14


def scalar_codebook(x: Tensor, form: Codebook) -> tuple[Tensor, LevelGrid]:
    """Each row of ``x [R, C]`` with the k levels that give it the smallest squared error.

    Up to 2048 distinct values the levels are the optimum: k-means in one dimension is solved by dynamic programming over
    sorted values (Wang and Song 2011, Ckmeans.1d.dp; Fisher 1958). Beyond, values are first put together in 2048 cells of
    equal count, and Lloyd's iteration on all values polishes the result. Levels are stored as float16 and so rounded.
    NaN and ±Inf have no say; NaN stays NaN, ±Inf becomes the outermost level.

    Returns:
        The quantized matrix, float32, and its grid, with levels ``[R, k]``.
    """
    levels = torch.stack([torch.from_numpy(_best_levels(row.numpy(), form.entries)) for row in x.detach().float()])
    levels = levels.half().float() if len(levels) else torch.zeros(0, form.entries)
    grid = LevelGrid(form, levels, torch.ones(len(x), 1))
    out = torch.empty(x.shape)
    round_to_levels(x.detach().float().contiguous(), out, grid, max(x.shape[1], 1))
    return out, grid


def vector_codebook(x: Tensor, form: Codebook, seed: int = 0) -> tuple[Tensor, LevelGrid]:
    """``x [R, C]`` with each run of ``form.dimension`` values along a row replaced by its nearest codeword.

    k-means++ (Arthur and Vassilvitskii 2007) and Lloyd's iteration on at most 128 vectors per codeword, drawn with a
    fixed seed; codewords are stored as float16. Then every vector gets the nearest one, in float64.
    A row whose length is no multiple of the dimension is padded with zeros, which are cut off again. Runs with a NaN or
    ±Inf have no say in the codewords and are kept as they are.

    Returns:
        The quantized matrix, float32, and a grid with all coordinates of all codewords as levels.
    """
    rows, columns = x.shape
    padded = torch.nn.functional.pad(x.detach().float(), (0, -columns % form.dimension))
    vectors = padded.reshape(-1, form.dimension)
    finite = torch.isfinite(vectors).all(1)
    words = _kmeans(vectors[finite], form.entries, seed).half().double()
    places = _nearest(vectors[finite].double(), words)
    words = words.float()
    quantized = vectors.clone()
    quantized[finite] = words[places]
    coordinates = words.unique() if words.numel() else torch.zeros(1)
    grid = LevelGrid(form, coordinates, torch.ones(()), used=len(places.unique()), entries=form.entries)
    return quantized.view(rows, -1)[:, :columns].contiguous(), grid


def _best_levels(row: NDArray[np.float32], k: int) -> NDArray[np.float32]:
    values = row[np.isfinite(row)].astype(np.float64)
    if not values.size:
        return np.zeros(k, np.float32)
    places, counts = np.unique(values, return_counts=True)
    if places.size > _CELLS:
        cells = np.array_split(np.sort(values), _CELLS)
        places, counts = np.array([cell.mean() for cell in cells]), np.array([cell.size for cell in cells])
        return _lloyd(values, best_means(places, counts, k))
    return best_means(places, counts, k).astype(np.float32)


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
    if not len(vectors):
        return torch.zeros(0, vectors.shape[1])
    dice = np.random.default_rng(seed)
    if len(vectors) > _LEARNING * k:
        vectors = vectors[torch.from_numpy(dice.choice(len(vectors), _LEARNING * k, replace=False))]
    words = _start(vectors, k, dice)
    for _ in range(_SWEEPS):
        places = _nearest(vectors, words)
        many = torch.bincount(places, minlength=k).double().unsqueeze(1)
        sums = torch.zeros(k, vectors.shape[1], dtype=torch.float64).index_add_(0, places, vectors.double())
        moved = torch.where(many > 0, sums / many.clamp(min=1), words.double()).float()
        if torch.equal(moved, words):
            break
        words = moved
    return words


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


def _nearest(vectors: Tensor, words: Tensor) -> Tensor:
    """The number of the nearest word, the first of equals."""
    if not len(words):
        return torch.zeros(0, dtype=torch.long)
    half = words.square().sum(1) / 2
    found = [(half - part @ words.t()).argmin(1) for part in vectors.split(_CHUNK)]
    return torch.cat(found) if found else torch.zeros(0, dtype=torch.long)

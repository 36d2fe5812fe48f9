"""A matrix in parts that fit into the cache, and the scales of a part."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

Tile = tuple[slice, slice]
"""Rows and columns of a part."""

MOST = 1 << 16
"""Values of a part: few enough to stay in the cache between passes."""


def tiles(rows: int, columns: int, size: int, most: int = MOST) -> Iterator[Tile]:
    """The parts of a matrix ``[rows, columns]``: whole rows where they are short, else runs of whole groups.

    Args:
        rows: of the matrix.
        columns: of the matrix.
        size: values per scale along a row; a group longer than ``most`` is one part unless it is the whole row.
        most: values of a part.
    """
    width = columns
    if columns > most:
        width = most if size >= columns else max(most // size, 1) * size
    height = max(1, most // max(width, 1))
    for top in range(0, rows, height):
        for left in range(0, columns, max(width, 1)):
            yield slice(top, min(top + height, rows)), slice(left, min(left + width, columns))


def spread(part: Tensor, tile: Tile, size: int) -> Tensor:
    """Scales or zero points ``[]``, ``[R, 1]`` or ``[R, G]`` for the values of a tile, in a shape that broadcasts."""
    if not part.dim():
        return part
    rows, columns = tile
    taken = part[rows]
    if taken.shape[1] == 1:
        return taken
    first, last = columns.start // size, -(-columns.stop // size)
    return taken[:, first:last].repeat_interleave(size, dim=1)[:, : columns.stop - columns.start]

"""A bound on what a file may ask for."""

from __future__ import annotations

import math
from collections.abc import Iterable

from qdebug.errors import ModelError

MOST = 2**33
"""Elements of one result whose size is a value in the graph: 32 GiB of float32."""


def checked(sizes: Iterable[int]) -> list[int]:
    """Sizes that came from values rather than from tensors, before anything of that size is made.

    Raises:
        ModelError: a size is negative, or all together ask for more than :data:`MOST` elements.
    """
    shape = [int(size) for size in sizes]
    if any(size < 0 for size in shape):
        raise ModelError(
            "A tensor with a negative size is asked for", shape=shape,
            do="Check the inputs from which the graph computes sizes; if they are right, write the file again.",
        )  # fmt: skip
    if math.prod(shape) > MOST:
        raise ModelError(
            f"A tensor of {math.prod(shape):.3g} elements is asked for; {MOST:.3g} are the most", shape=shape,
            do="Check the inputs from which the graph computes sizes; if they are right, the model is too large.",
        )  # fmt: skip
    return shape

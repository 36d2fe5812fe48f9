"""Which inputs of a model hold a row for each sample, and which are the same for all samples.

ONNX names no batch axis. What tells one is the declaration: the size of a batch is left open, so where one input's
first size is open, an input whose sizes are all fixed is no batch of anything.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from qdebug.results import TensorSpec


def declared_alike(specs: Sequence[TensorSpec]) -> frozenset[str]:
    """The inputs that, as they are declared, are the same for every sample.

    A single number always is. An input whose sizes are all fixed is if the first size of another is open. Where every
    input's first size is fixed, that size is the batch.
    """
    is_open = any(spec.shape and not spec.shape[0] for spec in specs)
    return frozenset(spec.name for spec in specs if not spec.shape or (is_open and all(spec.shape)))


def fixed_batch(specs: Sequence[TensorSpec], alike: Collection[str]) -> int | None:
    """Samples per batch where an input other than ``alike`` fixes them; None where any number will do."""
    rows = (spec.shape[0] for spec in specs if spec.name not in alike and spec.shape)
    return next((size for size in rows if size), None)


def fed_shape(spec: TensorSpec, alike: Collection[str]) -> tuple[int | None, ...]:
    """The shape that data have for an input: as declared, or samples first, and as many as one likes."""
    return spec.shape if spec.name in alike else (None, *spec.shape[1:])

"""One tensor's pieces, looked at once, or twice where a format needs to know the limits first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from qdebug.checkpoint.tried import Tried, height
from qdebug.checkpoint.values import Values
from qdebug.doors.stored import StoredTensor, pieces
from qdebug.measure.stream import CodeStats
from qdebug.quantize.noise import Peaks
from qdebug.results.scan import StoredStats

Tell = Callable[[int, str], None]
"""Called with the bytes that have been read since the last time, and the tensor's name."""

_LARGEST = float(torch.finfo(torch.float32).max)


def one_look(tensor: StoredTensor, asked: Sequence[Tried], tell: Tell) -> tuple[StoredStats, dict[str, float]]:
    """A tensor's statistics, and the sum of squared errors of each format by its notation.

    Args:
        tensor: one whose type can be read.
        asked: formats to try; none for statistics alone.
        tell: called after each piece.

    Raises:
        FileError: the file ends too early.
        Cancelled: raised by ``tell``.
    """
    assert tensor.kind is not None
    values = Values(tensor.kind)
    codes = values.stats if isinstance(values.stats, CodeStats) else None
    by_code = [one for one in asked if codes and one.needs in ("nothing", "limits")]
    left = [one for one in asked if one not in by_code]
    at_once = [one for one in left if one.needs in ("nothing", "rows")]
    later = [one for one in left if one not in at_once]
    noise = dict.fromkeys((one.notation for one in asked), 0.0)

    def read(some: Sequence[Tried], limits: tuple[float, float] | None) -> None:
        for piece in pieces(tensor, height(some)):
            if limits is None:
                values.look(piece)
            if some:
                x = values.matrix(piece)
                peaks = Peaks(x.numpy())
                for one in some:
                    noise[one.notation] += one.error(x, limits, peaks)
            tell(piece.raw.nbytes, tensor.name)

    read(at_once, None)
    limits = values.stats.limits
    if later and limits is not None:
        read(later, (max(limits[0], -_LARGEST), min(limits[1], _LARGEST)))
    for one in by_code:
        assert codes is not None
        noise[one.notation] = one.error_of_codes(codes)
    return values.stats.finish(), noise

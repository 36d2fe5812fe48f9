"""Room on the disk for what methods make of weights that themselves lie on the disk."""

from __future__ import annotations

import os
import tempfile
import threading
import weakref
from dataclasses import replace

import torch
from torch import Tensor

from qdebug.engine.overlay import Rounded
from qdebug.errors import FileError
from qdebug.graph.filed import FiledTensor
from qdebug.quantize import QParams

_SMALL = 1 << 12
"""Values that are not worth a place in a file. Scales of groups are: of all layers, they are the model over 64."""


class Scratch:
    """A file without a name, which the system removes with the last tensor in it."""

    def __init__(self) -> None:
        self._file, name = tempfile.mkstemp(prefix="qdebug-")
        os.unlink(name)
        weakref.finalize(self, os.close, self._file)
        self._end = 0
        self._lock = threading.Lock()

    def put(self, rounded: Rounded) -> Rounded:
        """The same weight with its values, and the scales of its groups, in the file."""
        side = None if rounded.side is None else self.filed(rounded.side)
        grid = rounded.grid
        if isinstance(grid, QParams):
            grid = replace(grid, scale=self.filed(grid.scale), zero_point=self.filed(grid.zero_point))
        elif grid is not None:
            grid = replace(grid, scale=self.filed(grid.scale))
        return replace(rounded, values=self.filed(rounded.values), grid=grid, side=side)

    def filed(self, tensor: Tensor) -> Tensor:
        """A tensor as one that lies in the file; a small one as it is.

        Raises:
            FileError: the disk is full.
        """
        if tensor.numel() < _SMALL or isinstance(tensor, FiledTensor):
            return tensor
        values = tensor.detach().contiguous()
        raw = values.view(-1).view(torch.uint8).numpy().data
        with self._lock:
            start, self._end = self._end, self._end + len(raw)
        try:
            done = 0
            while done < len(raw):
                done += os.pwrite(self._file, raw[done:], start + done)
        except OSError as error:
            raise FileError(
                f"A layer's quantized weight cannot be put on the disk: {error.strerror}", file=tempfile.gettempdir(),
                do="Make room there, or name another folder in the environment variable TMPDIR.",
            ) from None  # fmt: skip
        shape, dtype = values.shape, values.dtype
        return FiledTensor(shape, lambda: self._read(start, shape, dtype), dtype=dtype)

    def _read(self, start: int, shape: torch.Size, dtype: torch.dtype) -> Tensor:
        values = torch.empty(shape, dtype=dtype)
        room = values.view(-1).view(torch.uint8).numpy().data
        done = 0
        while done < len(room):
            done += os.preadv(self._file, [room[done:]], start + done)
        return values

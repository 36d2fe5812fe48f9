"""What reading a file may cost, from the file's size."""

from __future__ import annotations

import msgspec

MIB = 2**20


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hard limits of one reading.

    Attributes:
        memory: bytes of address space beyond what Python and torch take up before anything is read.
        cpu: seconds of processor time beyond what starting takes.
        wall: seconds in all, starting included.
        result: bytes of one file that is handed back.
        files: files open at once.
    """

    memory: int
    cpu: int
    wall: int
    result: int
    files: int = 64


def model_limits(size: int) -> Limits:
    """For a model of so many bytes, external data included.

    Values of 4 and of 2 bits are handed back one a byte, so a result may be four times as large as its file; while it
    is parsed, a file is held as bytes, as messages and as tensors.
    """
    return _limits(size, memory=512 * MIB + 8 * size, result=64 * MIB + 4 * size)


def data_limits(size: int) -> Limits:
    """For an ``.npz`` of so many bytes, which is packed: it may unfold to 16 times its size and half a GiB."""
    result = min(512 * MIB + 16 * size, 8 * 1024 * MIB)
    return _limits(size, memory=512 * MIB + size + 3 * result, result=result)


def _limits(size: int, memory: int, result: int) -> Limits:
    cpu = 20 + size // (10 * MIB)
    return Limits(memory=memory, cpu=cpu, wall=60 + 3 * cpu, result=result)

"""Arrays from ``.npz`` files."""

from __future__ import annotations

import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from qdebug.errors import DataError, FileError

LARGEST = 8 * 2**30
"""Bytes of unpacked arrays beyond which a file is refused."""

_DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, RuntimeError, MemoryError,
    ValueError, LookupError, ArithmeticError, TypeError, AttributeError,
    tokenize.TokenError, SyntaxError, # of an array's header, which NumPy reads as Python's literals
)  # fmt: skip
"""What archives, their compression and NumPy raise."""


def read_npz(path: str | os.PathLike[str], largest: int = LARGEST) -> Mapping[str, np.ndarray]:
    """All arrays of a file. Pickled objects are refused, never loaded.

    Args:
        path: the file.
        largest: bytes of unpacked arrays beyond which it is refused.

    Raises:
        FileError: the file is missing, damaged, no ``.npz``, or unpacks to more than ``largest``.
        DataError: it holds no arrays, or arrays of Python objects.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError("There is no such file", file=file, do="Check the path.")
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
        if unpacked > largest:
            raise FileError(
                f"The data unpack to {unpacked / 2**30:.1f} GiB", file=file,
                do=f"Give at most {largest / 2**30:.3g} GiB.",
            )  # fmt: skip
        with np.load(file, allow_pickle=False) as stored:
            arrays = {name: np.array(stored[name]) for name in stored.files}
    except FileError:
        raise
    except _DAMAGED as error:
        if "pickle" in str(error).lower() or "Object arrays" in str(error):
            raise DataError(
                "The file holds Python objects", file=file, do="Save plain numbers; objects are never loaded."
            ) from None
        raise FileError(
            f"This is no .npz file or it is damaged: {(str(error) or type(error).__name__).splitlines()[0]}",
            file=file, do="Write it again with numpy.savez.",
        ) from None  # fmt: skip
    if not arrays:
        raise DataError("The file holds no arrays", file=file, do="Save one array per model input, and labels.")
    return arrays

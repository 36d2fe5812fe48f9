"""Exported programs (``.pt2``) from the operator's own disk."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import torch
from torch.export import ExportedProgram

from qdebug.doors.module import functional, torch_tools
from qdebug.errors import FileError


def read_pt2(path: str | os.PathLike[str]) -> ExportedProgram:
    """Load an exported program, made functional. Loading can run code that is in it: only for the operator's own files.

    Raises:
        FileError: the file is missing, damaged, or no exported program.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError("There is no such file", file=file, do="Check the path.")
    if not zipfile.is_zipfile(file):
        raise FileError("This is no .pt2 file, or it is damaged", file=file, do="Save it again with torch.export.save.")
    with torch_tools():
        try:
            return functional(torch.export.load(file))
        except Exception as error:  # torch's loader raises anything on a damaged archive
            first = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise FileError(
                f"The exported program cannot be read: {first.strip()[:200]}", file=file,
                do="Save it again with torch.export.save and the torch version installed here.",
            ) from error  # fmt: skip

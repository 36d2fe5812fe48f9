"""Exported programs (``.pt2``) from the operator's own disk, none of whose parts is run when they are opened."""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch.export import ExportedProgram

from qdebug.doors.module import functional, torch_tools
from qdebug.doors.pt2_archive import rewritten
from qdebug.errors import FileError


def read_pt2(path: str | os.PathLike[str]) -> ExportedProgram:
    """Load an exported program, made functional.

    torch's loader can be made to run code by what is in a file. It is given a copy without that, or nothing
    (:mod:`qdebug.doors.pt2_archive`); torch's own operators are run on it all the same.

    Raises:
        FileError: the file is missing, damaged, no exported program, or holds what would be run.
    """
    file = Path(path)
    if not file.is_file():
        raise FileError("There is no such file", file=file, do="Check the path.")
    if not zipfile.is_zipfile(file):
        raise FileError("This is no .pt2 file, or it is damaged", file=file, do="Save it again with torch.export.save.")
    if _is_checkpoint(file):
        raise FileError(
            "This holds weights or a module saved by torch.save, not an exported program", file=file,
            do="Save torch.export.export(model, inputs) with torch.export.save.",
        )  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="qdebug-pt2-") as folder, torch_tools(), _silenced("torch.export"):
        copy = Path(folder, "model.pt2")
        rewritten(file, copy)
        try:
            return functional(torch.export.load(copy))
        except Exception as error:  # torch's loader raises anything on a damaged archive
            raise FileError(
                f"The exported program cannot be read: {_reason(error)}", file=file,
                do="Save it again with torch.export.save and the torch version installed here.",
            ) from error  # fmt: skip


def _is_checkpoint(file: Path) -> bool:
    """Whether the archive is laid out as torch.save does: a pickle beside its tensors, and no model."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except Exception:  # noqa: BLE001 - the library's, of a damaged archive; who reads it next says what is wrong
        return False
    return any(name.endswith("data.pkl") for name in names) and not any("models/" in name for name in names)


def _reason(error: BaseException) -> str:
    """What the loader complains of; where it only points at a log that nobody sees, what caused that."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if error.__cause__ is not None and any("above" in line for line in lines):
        return _reason(error.__cause__)
    told = [line for line in lines if "above" not in line]
    return (told[0] if told else type(error).__name__)[:200]


@contextmanager
def _silenced(name: str) -> Iterator[None]:
    """Without the log of a library that writes tracebacks of what it then raises."""
    logger = logging.getLogger(name)
    before = logger.disabled
    logger.disabled = True
    try:
        yield
    finally:
        logger.disabled = before

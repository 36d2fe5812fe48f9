"""A Python function out of a file of one's own. The file's code is run: only whoever runs this process may name one."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from qdebug.errors import FileError, MetricError, near

Function = Callable[..., object]


def is_function(text: str) -> bool:
    """Whether a text is ``path/to/file.py:name``, and no name of anything else."""
    path, colon, name = text.rpartition(":")
    return bool(colon) and path.endswith(".py") and name.isidentifier()


def read_function(text: str) -> tuple[Function, str]:
    """The function that ``path/to/file.py:name`` says.

    The file is run as a module of its own; it can import what is installed, and nothing that lies beside it.

    Args:
        text: path and name.

    Returns:
        the function, and a digest of the file's content.

    Raises:
        FileError: there is no such file.
        MetricError: the file fails when it is run, or has no such function.
    """
    path, _, name = text.rpartition(":")
    file = Path(path)
    try:
        content = file.read_bytes()
    except OSError as error:
        raise FileError(
            f"The metric's file cannot be read: {error.strerror}", file=file, do="Give path/to/file.py:function."
        ) from None
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    module_name = f"_qdebug_metric_{digest}"
    spec = importlib.util.spec_from_file_location(module_name, file)
    assert spec is not None and spec.loader is not None  # it ends in .py
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module  # as dataclasses and pickles of the file want it
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # whatever somebody's own code raises
        del sys.modules[module_name]
        line = next(
            (f.lineno for f in reversed(traceback.extract_tb(error.__traceback__)) if f.filename == str(file)), 0
        )
        raise MetricError(
            f"The metric's file fails: {type(error).__name__}: {error}", file=f"{file}:{line}" if line else file,
            do="It must run by itself; it can import what is installed, nothing that lies beside it.",
        ) from error  # fmt: skip
    found = getattr(module, name, None)
    if not callable(found):
        known = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise MetricError(f"The file has no function '{name}'", file=file, do=near(name, known))
    return found, digest

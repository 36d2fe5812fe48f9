"""llama.cpp's own package for its files, where it is installed."""

from __future__ import annotations

from typing import Any

from qdebug.errors import UsageError


def gguf() -> Any:
    """The package ``gguf``.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import gguf as found
    except ImportError as error:
        raise UsageError(
            f"Writing GGUF needs the package gguf: {error}", do="Install it: pip install 'qdebug[gguf]'."
        ) from None
    return found

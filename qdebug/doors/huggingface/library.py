"""The library that knows the architectures, when it is there, and quietly."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qdebug.doors.module import torch_tools
from qdebug.errors import ModelError


def transformers() -> Any:
    """The package.

    Raises:
        ModelError: it is not installed.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import transformers as found
    except ImportError as error:
        raise ModelError(
            f"A Hugging Face folder needs the package transformers: {error}",
            do="Install it: pip install 'qdebug[huggingface]'.",
        ) from None
    return found


_TALKING = ("torchao", "torch.utils._pytree")
"""What transformers imports where it is installed, and which warns of what this machine lacks and of itself."""


@contextmanager
def hushed() -> Iterator[None]:
    """Without the warnings of what the library imports, which it does when a class of its own is first asked for."""
    loggers = [logging.getLogger(name) for name in _TALKING]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def quiet() -> Iterator[None]:
    """Without its progress bars, advice and network, one thread at a time: it keeps state for the whole process."""
    found = transformers()
    with torch_tools(), hushed():
        before, bars = found.logging.get_verbosity(), found.logging.is_progress_bar_enabled()
        offline = os.environ.get("HF_HUB_OFFLINE")
        found.logging.set_verbosity(logging.CRITICAL)
        found.logging.disable_progress_bar()
        os.environ["HF_HUB_OFFLINE"] = "1"
        try:
            yield
        finally:
            found.logging.set_verbosity(before)
            if bars:
                found.logging.enable_progress_bar()
            if offline is None:
                del os.environ["HF_HUB_OFFLINE"]
            else:
                os.environ["HF_HUB_OFFLINE"] = offline


def first_line(error: BaseException) -> str:
    """What an error says first, without a full stop."""
    line = next((one.strip() for one in str(error).splitlines() if one.strip()), type(error).__name__)
    return line.rstrip(".")[:300]

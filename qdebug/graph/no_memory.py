"""Whether an error says that there is no more memory, which libraries say in many ways."""

from __future__ import annotations

import re

_SAID = re.compile(r"can't allocate|not enough memory|out of memory|unable to allocate|cannot allocate", re.IGNORECASE)
FULL = "It takes more memory than this process may have"
DO = "Give fewer samples or a smaller model, or allow more where qdebug is started (QDEBUG_MEMORY_MB)."


def says_full(error: BaseException) -> bool:
    """Whether this error means that memory could not be had."""
    return isinstance(error, MemoryError) or _SAID.search(str(error)) is not None

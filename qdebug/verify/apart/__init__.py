"""Runtimes in a process with walls, for models that came from strangers.

A runtime is some hundred thousand lines of C++ that a crafted model may make crash, hang or worse. The child
(``child.py``) walls itself in, opens models and runs batches that it gets through a pipe; the parent takes nothing from
it on trust, and says in one sentence what became of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdebug.verify.apart.proxies import Apart

__all__ = ["Apart"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from qdebug.verify.apart import proxies

        return getattr(proxies, name)
    raise AttributeError(f"module 'qdebug.verify.apart' has no attribute '{name}'")

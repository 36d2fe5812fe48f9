"""qdebug: an interactive debugger and visualizer for neural-network quantization.

>>> import qdebug
>>> session = qdebug.open("digits-mobilenet")          # doctest: +SKIP
>>> session.evaluate(qdebug.preset("w8a8")).metric     # doctest: +SKIP
>>> session.app()                                      # doctest: +SKIP

Importing the package brings no torch; opening a model does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdebug.errors import QDebugError
from qdebug.recipes import Recipe, preset

if TYPE_CHECKING:
    from qdebug.facade import Session, open, scan  # noqa: A004

__all__ = ["QDebugError", "Recipe", "Session", "open", "preset", "scan"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name in ("open", "scan", "Session"):
        import qdebug.facade

        return getattr(qdebug.facade, name)
    raise AttributeError(f"module 'qdebug' has no attribute '{name}'")

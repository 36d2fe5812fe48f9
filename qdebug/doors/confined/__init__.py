"""Files that somebody uploaded: parsed in a third, short-lived process with hard limits, and checked when they return.

The child (``child.py``) walls itself in, parses, and leaves plain files; the parent takes nothing from it on trust.
Importing the package brings no torch: not every child needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from qdebug.doors.confined.read import check_confined, convert_confined, read_confined, read_confined_npz

__all__ = ["check_confined", "convert_confined", "read_confined", "read_confined_npz"]


def __getattr__(name: str) -> object:
    if name in __all__:
        from qdebug.doors.confined import read

        return getattr(read, name)
    raise AttributeError(f"module 'qdebug.doors.confined' has no attribute '{name}'")

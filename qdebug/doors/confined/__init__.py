"""Files that somebody uploaded: parsed in a third, short-lived process with hard limits, and checked when they return.

The child (``child.py``) walls itself in, parses, and leaves plain files; the parent takes nothing from it on trust.
"""

from qdebug.doors.confined.read import check_confined, convert_confined, read_confined, read_confined_npz

__all__ = ["check_confined", "convert_confined", "read_confined", "read_confined_npz"]

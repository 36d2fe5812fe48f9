"""What all results share."""

from __future__ import annotations

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """A plain, frozen value; ``msgspec.to_builtins`` makes JSON of it."""

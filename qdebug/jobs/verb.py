"""What every question to the compute process is. Torch-free."""

from __future__ import annotations

from typing import ClassVar, Generic, Literal, TypeVar, get_args

import msgspec

A_co = TypeVar("A_co", covariant=True)
Lane = Literal["quick", "open", "slow"]


class Verb(msgspec.Struct, Generic[A_co], frozen=True, tag=True, forbid_unknown_fields=True):
    """A question whose answer has the type ``A_co``.

    Attributes:
        lane: which threads answer it, so that one person's minutes never stand before another's milliseconds.
        kept: whether a finished answer may be given again (not where it changes by itself).
    """

    lane: ClassVar[Lane] = "quick"
    kept: ClassVar[bool] = True

    @classmethod
    def answer_type(cls) -> object:
        """The type that the answer is decoded as, taken from the base class ``Verb[…]``."""
        (base,) = (base for base in cls.__orig_bases__ if getattr(base, "__origin__", None) is Verb)  # type: ignore[attr-defined]
        return get_args(base)[0]

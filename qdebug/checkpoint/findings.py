"""What stands out in a checkpoint, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from qdebug.results.scan import AddedError, ScannedTensor

PEAKED = 30.0
"""A crest factor from which on a tensor is told of. Gaussian weights of a million values have one of about five."""

BEHIND = 6.0
"""Decibels below the SQNR of all tensors together from which on a tensor is told of."""


def findings(tensors: Sequence[ScannedTensor], totals: Sequence[AddedError]) -> tuple[str, ...]:
    """Sentences, the gravest first: what is no number, what could not be read, what is empty, peaked, or lossy."""
    broken = [one for one in tensors if one.stats and (one.stats.nans or sum(one.stats.infinities))]
    unread = [one for one in tensors if one.stats is None]
    empty = [one for one in tensors if one.stats and one.stats.count and one.stats.absmax == 0 and len(one.shape) > 1]
    peaked = sorted((one for one in tensors if _crest(one) >= PEAKED), key=_crest, reverse=True)
    found = []
    if broken:
        nans, infinite = (sum(n) for n in zip(*map(_odd, broken), strict=True))
        found.append(f"{_these(broken)} NaN or Inf: {nans:,} NaN and {infinite:,} infinite values.")
    if unread:
        kinds = ", ".join(sorted({one.kind for one in unread}))
        found.append(f"{_these(unread)} types whose values are not understood here ({kinds}).")
    if empty:
        found.append(f"{_these(empty)} nothing but zeros.")
    if peaked:
        found.append(f"{_these(peaked)} values far beyond the rest, up to {_crest(peaked[0]):,.0f} × the tensor's RMS.")
    return (*found, *(sentence for place, total in enumerate(totals) if (sentence := _worst(tensors, total, place))))


def _worst(tensors: Sequence[ScannedTensor], total: AddedError, place: int) -> str:
    """Where a format loses most, if far more than on the whole."""
    rows = [(one.added[place].sqnr_db, one.name) for one in tensors if one.added]
    known = [(sqnr, name) for sqnr, name in rows if sqnr is not None]
    if not known or total.sqnr_db is None or min(known)[0] > total.sqnr_db - BEHIND:
        return ""
    sqnr, name = min(known)
    return f"{total.notation} loses most on {name}: {sqnr:.1f} dB, where all tensors together have {total.sqnr_db:.1f}."


def _these(some: Sequence[ScannedTensor]) -> str:
    """The subject and verb of a sentence."""
    return f"{some[0].name} holds" if len(some) == 1 else f"{len(some)} tensors, first {some[0].name}, hold"


def _crest(one: ScannedTensor) -> float:
    return (one.stats.crest or 0.0) if one.stats else 0.0


def _odd(one: ScannedTensor) -> tuple[int, int]:
    assert one.stats is not None
    return one.stats.nans, sum(one.stats.infinities)

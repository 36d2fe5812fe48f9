"""What was measured, as rows of the table."""

from __future__ import annotations

from msgspec.structs import replace

from qdebug.measure.assisted import assisted_error, largest_unseen
from qdebug.measure.intervals import mean, skewed_mean
from qdebug.results import SensitivityRow, WholeRecipe
from qdebug.search.sweep.book import Book

FACTOR = 2.0
"""A prediction that is off by more than this factor, and more than chance allows, is outside the linear regime."""


def with_item(row: SensitivityRow, book: Book, place: int, count: int) -> SensitivityRow:
    """A row with what is known of one of its items.

    Args:
        row: the row.
        book: what was measured.
        place: the item's.
        count: samples there are in all.
    """
    errors = book.errors(place)
    centre, interval, metric = float(errors.mean()), mean(errors, count), book.metric(place)
    seconds = row.seconds + book.last_seconds(place)
    if book.items[place].kind == "without":
        row = replace(row, without=centre, without_ci95=interval, without_metric=metric, seconds=seconds)
        return with_gain(row, book, place, count)
    unseen, predicted = None, book.predicted(place)
    if predicted is not None:
        centre, *bounds = assisted_error(errors, predicted)
        interval = (bounds[0], bounds[1])
        unseen = largest_unseen(predicted, len(errors)) if len(errors) < count else None
    row = replace(row, exact=centre, exact_ci95=interval, metric=metric, n=len(errors), unseen=unseen, seconds=seconds)
    return replace(row, linear=is_linear(row))


def with_gain(row: SensitivityRow, book: Book, place: int, count: int) -> SensitivityRow:
    """The whole recipe's error less that without the layer, on the samples that both have seen."""
    whole = next(other for other, item in enumerate(book.items) if item.kind == "whole" and item.format == row.format)
    all_, one = book.errors(whole), book.errors(place)
    n = min(len(all_), len(one))
    if not n:
        return row
    gains = all_[:n] - one[:n]
    return replace(row, gain=float(gains.mean()), gain_ci95=skewed_mean(gains, count))


def wholes(book: Book, count: int) -> tuple[WholeRecipe, ...]:
    """The whole recipes that were measured so far."""
    found: list[WholeRecipe] = []
    for place, item in enumerate(book.items):
        if item.kind == "whole" and book.parts(place):
            errors = book.errors(place)
            found.append(
                WholeRecipe(
                    format=item.format, exact=float(errors.mean()), exact_ci95=mean(errors, count),
                    metric=book.metric(place), n=len(errors),
                )
            )  # fmt: skip
    return tuple(found)


def is_linear(row: SensitivityRow) -> bool | None:
    """Whether prediction and measurement are within a factor, or as near as chance allows."""
    if row.predicted is None or row.exact is None or row.predicted_ci95 is None:
        return None
    low, high = row.predicted_ci95
    return min(low / FACTOR, low * FACTOR) <= row.exact <= max(high / FACTOR, high * FACTOR)  # a loss may fall

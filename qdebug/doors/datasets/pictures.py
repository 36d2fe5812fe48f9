"""The pictures of a table as arrays, prepared as those of a folder."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from qdebug.doors.datasets.table import Table
from qdebug.doors.image_card import Card
from qdebug.doors.images import IMAGES, Picture, decoded, need_pillow, numbered
from qdebug.errors import DataError

_NAMES = ("image", "img", "pixel_values")
_LABELS = ("label", "labels", "fine_label")


def read_pictures(
    table: Table, card: Card, *, input: str | None = None,  # noqa: A002
    classes: Mapping[int, str] | Sequence[str] | None = None, samples: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, np.ndarray]:  # fmt: skip
    """The pictures of a table, ready for a model, as :func:`qdebug.doors.images.read_images` gives those of a folder.

    The column is called ``image`` or ``img``, or is the only one of pictures. Labels are a column ``label``: of classes
    with names they are numbered as the model's are called, of numbers as they are.

    Raises:
        FileError: a picture is damaged, too large, or only named by a path: no file outside of the table is read.
        DataError: there is no column of pictures, or they are too many, or a class is none of the model's.
    """
    need_pillow(table.place)
    own = [name for name, feature in table.features.items() if feature.kind == "image"]
    column = table.column(*_NAMES, kinds=("image",)) or (own[0] if len(own) == 1 else None)
    if column is None:
        raise table.lacks("image", "image")
    label = table.column(*_LABELS, kinds=("class", "number"))
    group = table.column("group", kinds=("text", "class", "number"))
    count = table.count if samples is None else min(samples, table.count)
    if count > IMAGES:
        raise DataError(f"The table has {count:,} pictures", file=table.place, do=f"Give at most {IMAGES:,}.")
    asked = [name for name in (label, group) if name is not None]
    beside: dict[str, list[object]] = {name: [] for name in asked}

    def pictures() -> Iterator[Picture]:
        for at, row in enumerate(islice(table.rows([column, *asked], check), count)):
            for name in asked:
                beside[name].append(row[name])
            yield Picture(_bytes(row[column], table.place, at), f"{table.place}, row {at}")

    arrays = {input or card.input: decoded(pictures(), count, card, table.place, check)}
    if label is not None:
        arrays["labels"] = _classes(
            table, label, beside[label], classes if classes is not None else card.classes or None
        )
    if group is not None:
        arrays["group"] = np.array([str(one) for one in beside[group]])
    return arrays


def _bytes(value: object, place: Path, at: int) -> io.BytesIO:
    content = value.get("bytes") if isinstance(value, dict) else None
    if isinstance(content, bytes) and content:
        return io.BytesIO(content)
    named = isinstance(value, dict) and value.get("path")
    raise DataError(
        f"The picture is only named by a path, '{named}', which is not read" if named else "There is no picture",
        file=place, row=at, do="Save the dataset with save_to_disk, which puts the pictures themselves into the table."
        if named else "Leave the row out.",
    )  # fmt: skip


def _classes(
    table: Table, column: str, values: Sequence[object], classes: Mapping[int, str] | Sequence[str] | None
) -> np.ndarray:
    """Labels as the model numbers them."""
    for at, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise DataError(f"The label is {value}", file=table.place, row=at, do="Give a class, a number from 0.")
    found = np.array(values, dtype=np.int64)
    names = table.features[column].classes
    if not names or classes is None:
        return found
    if int(found.max()) >= len(names):
        raise DataError(
            f"A label is {int(found.max())}", file=table.place, do=f"The column names {len(names)} classes."
        )
    used = sorted(set(found.tolist()))
    known = numbered([names[one] for one in used], classes, table.place, "class")
    return np.array([known[names[one]] for one in found.tolist()], dtype=np.int64)

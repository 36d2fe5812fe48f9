"""Which group each sample of a data set is in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from qdebug.doors import Dataset
from qdebug.results.subgroups import Key

MOST = 100
"""Groups that are looked at one by one; with more, a group hardly has samples, and no chart has room."""


@dataclass(frozen=True, eq=False)
class Groups:
    """A data set's groups.

    Attributes:
        key: ``group``, or ``class`` where the data name no groups.
        names: in order; numbers by their size.
        of: int ``[N]``, each sample's.
    """

    key: Key
    names: tuple[str, ...]
    of: NDArray[np.int64]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many samples each has."""
        return tuple(int(count) for count in np.bincount(self.of, minlength=len(self.names)))

    def members(self, group: int) -> NDArray[np.int64]:
        """The places of a group's samples."""
        return np.flatnonzero(self.of == group)


def groups_of(data: Dataset) -> tuple[Groups | None, str]:
    """The groups that a data set names, else its classes; None, and why, where there are no two or too many."""
    if data.group is not None:
        key, values = "group", data.group
    elif data.labels is not None and data.labels.dim() == 1:
        key, values = "class", data.labels.numpy()
    else:
        return None, "The data name no groups: add an array 'group' with one name or number per sample"
    names, of = np.unique(values, return_inverse=True)
    if not 1 < len(names) <= MOST:
        return None, f"'{key}' has {len(names):,} different values; looked at are 2 to {MOST}"
    return Groups("group" if key == "group" else "class", tuple(map(name, names)), of.reshape(-1).astype(np.int64)), ""


def name(value: object) -> str:
    """A group's name as text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)

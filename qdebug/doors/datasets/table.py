"""A table on the disk, read row by row: the files stay where they are and are mapped into memory, not read into it."""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qdebug.beneath import place_beneath
from qdebug.doors.datasets.features import Feature, described, typed
from qdebug.errors import DataError, FileError, near

if TYPE_CHECKING:
    import pyarrow as pa

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
PARQUET = ".parquet"
_MOST = 2**26
"""Bytes of a description."""
_ROWS = 256


def is_table(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder that ``save_to_disk`` has written, or a Parquet file."""
    place = Path(path)
    if place.suffix.lower() == PARQUET:
        return not place.is_dir()
    return any((place / name).is_file() for name in (STATE, SPLITS))


@dataclass(frozen=True)
class Table:
    """A table whose columns are known.

    Attributes:
        place: the folder or the file.
        files: what holds the rows, in order.
        features: the columns.
        count: how many rows there are.
    """

    place: Path
    files: tuple[Path, ...]
    features: Mapping[str, Feature]
    count: int

    def rows(self, columns: Sequence[str], check: Callable[[], None] = lambda: None) -> Iterator[dict[str, Any]]:
        """Row after row, with some columns as Python's values.

        Raises:
            FileError: a file is damaged.
        """
        for file in self.files:
            with _reading(file):
                for batch in _batches(file, columns):
                    for start in range(0, batch.num_rows, _ROWS):
                        check()
                        yield from batch.slice(start, _ROWS).to_pylist()

    def column(self, *names: str, kinds: Sequence[str] = ()) -> str | None:
        """The first of these columns that there is, or None.

        Raises:
            DataError: it holds something else than one of the kinds.
        """
        found = next((name for name in names if name in self.features), None)
        if found is not None and kinds and self.features[found].kind not in kinds:
            raise DataError(
                f"The column '{found}' holds {self.features[found].said}, which is not read as {' or '.join(kinds)}",
                file=self.place, do="Make another column of it: dataset.map(…), then save it again.",
            )  # fmt: skip
        return found

    def lacks(self, wanted: str, kind: str) -> DataError:
        """The error of a table without a column, which names those that could be meant."""
        some = [name for name, feature in self.features.items() if feature.kind == kind]
        there = ", ".join(self.features) or "none"
        do = f"Rename one that it has: dataset.rename_column('{some[0]}', '{wanted}')." if some else "Add it."
        return DataError(f"The table has no column '{wanted}', its columns are {there}", file=self.place, do=do)


def open_table(path: str | os.PathLike[str]) -> Table:
    """Understand a table's description; its rows stay on the disk.

    Raises:
        FileError: pyarrow is not installed, or a file is missing, damaged or outside of the folder.
        DataError: it has several splits, or no row.
    """
    place = Path(path)
    if importlib.util.find_spec("pyarrow") is None:
        raise FileError("Tables need pyarrow, which is not installed", file=place, do="pip install 'qdebug[datasets]'.")
    if place.suffix.lower() == PARQUET:
        return _parquet(place)
    if (place / SPLITS).is_file():
        return open_table(_split(place))
    state, info = _described(place / STATE), _described(place / INFO)
    if state.get("_indices_data_files"):
        raise FileError(
            "The rows are picked by another file, as old versions of datasets write it", file=place,
            do="Load it and save it again: load_from_disk(…).flatten_indices().save_to_disk(…).",
        )  # fmt: skip
    files = tuple(_inside(place, one) for one in state.get("_data_files") or ())
    features = info.get("features")
    if not files or not isinstance(features, dict):
        what = "state.json names no file of rows" if not files else "dataset_info.json describes no column"
        raise FileError(what, file=place, do="Save the dataset again.")
    return _counted(Table(place, files, described(features), 0))


def _split(place: Path) -> Path:
    """The one split of a ``DatasetDict``."""
    splits = _described(place / SPLITS).get("splits")
    names = [str(one) for one in splits] if isinstance(splits, list) else []
    if len(names) != 1:
        said = ", ".join(names) or "none"
        do = f"Give one of them: {place}{os.sep}{names[-1]}." if names else "Save the dataset again."
        raise DataError(
            f"The dataset has several splits: {said}" if names else "The dataset has no split", file=place, do=do
        )
    if Path(names[0]).name != names[0] or names[0] in ("", ".", ".."):
        raise FileError(f"The split '{names[0]}' lies outside of the folder", file=place, do="Save the dataset again.")
    return place_beneath(place, names[0], "The split", folder=True)


def _described(file: Path) -> dict[str, Any]:
    if not file.is_file():
        raise FileError("The dataset lacks a file", file=file, do="Copy the whole folder, or save the dataset again.")
    if file.stat().st_size > _MOST:
        raise FileError(
            f"This is too large for a description ({file.stat().st_size} bytes)", file=file, do="Save it again."
        )
    try:
        found = json.loads(file.read_bytes())
    except (ValueError, RecursionError):
        raise FileError("This is no JSON", file=file, do="Save the dataset again.") from None
    if not isinstance(found, dict):
        raise FileError("This holds no JSON object", file=file, do="Save the dataset again.")
    return found


def _inside(place: Path, one: object) -> Path:
    """A file of rows, which lies in the folder itself."""
    name = str(one.get("filename")) if isinstance(one, dict) else str(one)
    if Path(name).name != name or name in ("", ".", "..") or "\\" in name:
        raise FileError(f"The file '{name}' lies outside of the dataset's folder", file=place, do="Save it again.")
    return place_beneath(place, name, "The file of rows")


def _parquet(place: Path) -> Table:
    if not place.is_file():
        raise FileError("There is no such file", file=place, do="Check the path.")
    import pyarrow.parquet as pq

    with _reading(place):
        with pq.ParquetFile(place) as opened:
            schema = opened.schema_arrow
        found, said = typed(schema), (schema.metadata or {}).get(b"huggingface")
    try:  # datasets writes its own description beside the types; a damaged one takes nothing away from them
        info = json.loads(said) if said else {}
        features = info["info"]["features"] if isinstance(info, dict) else {}
    except (ValueError, KeyError, TypeError, RecursionError):
        features = {}
    if isinstance(features, dict):
        found |= {name: one for name, one in described(features).items() if name in found}
    return _counted(Table(place, (place,), found, 0))


def _counted(table: Table) -> Table:
    """The table with the number of its rows, all of whose files are there and have its columns."""
    count = 0
    for file in table.files:
        if not file.is_file():
            raise FileError(
                f"A file of the dataset is missing, one of {len(table.files)}", file=file,
                do="Copy the whole folder, or save the dataset again.",
            )  # fmt: skip
        with _reading(file):
            schema, rows = _shape(file)
            count += rows
        for name in table.features:
            if name not in schema:
                raise FileError(
                    f"The column '{name}' is described and not there",
                    file=file,
                    do=near(name, schema) + " Save it again.",
                )
    if not count:
        raise DataError("The table has no row", file=table.place, do="Give at least one.")
    return Table(table.place, table.files, table.features, count)


def _shape(file: Path) -> tuple[list[str], int]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix.lower() == PARQUET:
        with pq.ParquetFile(file) as opened:
            return opened.schema_arrow.names, opened.metadata.num_rows
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
        return stream.schema.names, sum(batch.num_rows for batch in stream)


def _batches(file: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Batches of some columns, each of which holds what its description says: offsets of a stranger's file may not."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if file.suffix.lower() == PARQUET:
        with pq.ParquetFile(file) as opened:
            for batch in opened.iter_batches(_ROWS, columns=list(columns)):
                batch.validate(full=True)
                yield batch
        return
    with pa.memory_map(str(file)) as source, pa.ipc.open_stream(source) as stream:
        for batch in stream:
            some = batch.select(list(columns))
            some.validate(full=True)
            yield some


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Whatever pyarrow says of a file, as one error."""
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise FileError(
            f"The table cannot be read: {reason}", file=file, do="Save it, or download it, again."
        ) from None

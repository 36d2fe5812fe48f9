"""Tables on the disk: what ``datasets.Dataset.save_to_disk`` writes, and Parquet. Read by pyarrow; no code is run."""

from qdebug.doors.datasets.features import Feature, Kind
from qdebug.doors.datasets.pictures import read_pictures
from qdebug.doors.datasets.table import Table, is_table, open_table

__all__ = ["Feature", "Kind", "Table", "is_table", "open_table", "read_pictures"]

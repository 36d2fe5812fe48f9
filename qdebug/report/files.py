"""A report as the two files that are taken home."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from qdebug.errors import UsageError
from qdebug.export.document import write_whole
from qdebug.report.diff_page import diff_page
from qdebug.report.page import page
from qdebug.results import Exported
from qdebug.results.report import DiffReport, Report

PAGE, DATA = "report.html", "report.json"


def content(report: Report | DiffReport, suffix: str) -> bytes:
    """The report as the file of that kind: ``.html`` a page, ``.json`` its data.

    Raises:
        UsageError: there is no such kind.
    """
    if suffix.lower() == ".json":
        return msgspec.json.format(msgspec.json.encode(report))
    if suffix.lower() != ".html":
        raise UsageError(f"A report is no '{suffix}' file", do="Give a name that ends in .html or .json.")
    text = page(report) if isinstance(report, Report) else diff_page(report)
    return text.encode("utf-8", "replace")


def save(report: Report | DiffReport, path: str | os.PathLike[str]) -> Path:
    """Write a report as a page or as JSON, by the end of the name. The file is whole or absent.

    Raises:
        UsageError: the name ends in neither.
        FileError: it cannot be written there.
    """
    target = Path(path)
    write_whole(target, content(report, target.suffix))
    return target


def write_files(report: Report | DiffReport, place: Path) -> Exported:
    """Write the page and its data into a folder.

    Returns:
        The page, with what both take.
    """
    contents = {name: content(report, Path(name).suffix) for name in (PAGE, DATA)}
    for name, one in contents.items():
        (place / name).write_bytes(one)
    return Exported(path=str(place / PAGE), bytes=sum(map(len, contents.values())))

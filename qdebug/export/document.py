"""A file to take home, before it is on the disk."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from qdebug.beneath import check_replaceable
from qdebug.errors import FileError
from qdebug.whole import write_file


@dataclass(frozen=True)
class Document:
    """A file's content and what it leaves unsaid.

    Attributes:
        name: a file name that suits it.
        content: its bytes.
        unsaid: one sentence for each part of the recipe that this kind of file cannot say. Nobody is told less than
            the recipe without reading it here.
    """

    name: str
    content: bytes
    unsaid: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode("utf-8")


def json_document(name: str, value: object, unsaid: Iterable[str] = ()) -> Document:
    """A JSON file. Each sentence that is left unsaid stands in it once.

    Raises:
        ValueError: a NaN or infinity, which JSON does not know.
    """
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n"
    return Document(name, text.encode("utf-8"), tuple(dict.fromkeys(unsaid)))


def save(document: Document, path: str | os.PathLike[str]) -> Path:
    """Write a document, under its own name where ``path`` is a folder. The file is whole or absent.

    Returns:
        Where it lies.

    Raises:
        FileError: it cannot be written there.
    """
    target = Path(path)
    if target.is_dir():
        target = target / document.name
    write_whole(target, document.content)
    return target


def write_whole(target: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        FileError: it cannot be written there; what was there before is left as it was.
    """
    check_replaceable(target)
    try:
        write_file(target, content)
    except OSError as error:
        raise FileError(f"Cannot write the file: {error.strerror}", file=target, do="Choose another place.") from None

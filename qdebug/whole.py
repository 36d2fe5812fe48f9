"""Files and folders that are whole or absent: written beside their place, put onto the disk, then given their name.

Whoever reads meanwhile, whatever ends this process, and however full the disk is: under its own name lies what was
there before, or all of what is new. A process that is killed may leave what it was writing, under a hidden name that
begins with ``.part-``; nobody takes that for anything.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """A name beside the target to write a file to; when the block ends that file takes the target's name.

    Raises:
        OSError: it cannot be written; what was there before is as it was, and nothing else is left.
    """
    part = part_of(target)
    try:
        yield part
        on_disk(part)
        part.replace(target)
    except BaseException:
        with suppress(OSError):
            part.unlink()
        raise


@contextmanager
def whole_folder(target: Path, part: Path | None = None) -> Iterator[Path]:
    """A folder beside the target to write into; when the block ends it takes the target's name.

    Args:
        target: must not be there, or be an empty folder.
        part: what the folder is called until then.

    Raises:
        OSError: it cannot be written, or the target is there; nothing is left of it.
    """
    part = part or part_of(target)
    part.mkdir(mode=0o700)
    try:
        yield part
        for folder, _, names in os.walk(part):
            for name in names:
                on_disk(Path(folder, name))
        part.rename(target)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def write_file(target: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old one or the new one, never a part.

    Raises:
        OSError: as :func:`whole_file`.
    """
    with whole_file(target) as part:
        part.write_bytes(content)


def part_of(target: Path) -> Path:
    """A name beside a target that nobody has yet, with its ending: two threads, or two machines, do not meet there."""
    return target.with_name(f".part-{secrets.token_hex(4)}-{target.name}")


def on_disk(file: Path) -> None:
    """Wait until a file's content is on the disk: a full or broken one may say so only now.

    Raises:
        OSError: it is not.
    """
    descriptor = os.open(file, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

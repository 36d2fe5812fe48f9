"""What is more than one file, as one archive: that is what a browser can take home. Torch-free."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import msgspec

from qdebug.results import Exported


def packed(exported: Exported, place: Path) -> Exported:
    """An export as one file: itself, or an archive of all that was written, stored as it is.

    Each file goes as soon as the archive holds it, so that what lies on the disk is never much more than the export
    and its largest file. Copies of some kilobytes are all that is in memory.

    Args:
        exported: what was written: a folder, or a file with others beside it.
        place: the folder that it was written into, which holds nothing else.

    Raises:
        OSError: the archive cannot be written.
    """
    main = Path(exported.path)
    root = main if main.is_dir() else place
    files = sorted(one for one in root.rglob("*") if one.is_file())
    if main.is_file() and len(files) == 1:
        return exported
    target = place / f"{main.name if main.is_dir() else main.stem}.zip"
    names = tuple(str(one.relative_to(root)) for one in files)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for file, name in zip(files, names, strict=True):
            archive.write(file, Path(main.name, name) if main.is_dir() else name)
            file.unlink()
    if main.is_dir():
        for folder in sorted((one for one in root.rglob("*") if one.is_dir()), reverse=True):
            folder.rmdir()
        root.rmdir()
    return msgspec.structs.replace(exported, path=str(target), holds=names, bytes=os.stat(target).st_size)

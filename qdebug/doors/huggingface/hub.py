"""Folders by the name that they have on the hub, where the network allows."""

from __future__ import annotations

import re
from pathlib import Path

from qdebug.doors.huggingface.library import first_line
from qdebug.errors import FileError

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
WANTED = ("*.json", "*.safetensors", "tokenizer.model", "vocab.txt", "merges.txt", "*.jinja", "1_Pooling/*")
"""No code and no pickle is ever fetched."""


def is_name(given: str) -> bool:
    """Whether this is ``owner/model`` and nothing on the disk."""
    return bool(_NAME.fullmatch(given)) and not given.endswith((".onnx", ".pt2")) and not Path(given).exists()


def fetch(name: str) -> Path:
    """The folder of a model, from the library's cache or the hub.

    Raises:
        FileError: it is neither here nor reachable.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError:
        raise FileError(
            "There is no such file or folder, and a name of the hub needs the package huggingface_hub", file=name,
            do="Check the path, or pip install 'qdebug[huggingface]'.",
        ) from None  # fmt: skip
    try:
        return Path(snapshot_download(name, allow_patterns=list(WANTED)))
    except Exception as error:  # noqa: BLE001 - no network, no such model, a licence to accept: the library's own words
        raise FileError(
            f"There is no such file or folder, and the hub did not give it: {first_line(error)}", file=name,
            do="Check the path. For a model of the hub: its name, the network, and whether its licence was accepted.",
        ) from None  # fmt: skip

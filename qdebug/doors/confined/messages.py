"""What parent and child say to each other: plain values in JSON, in files whose names the parent has fixed."""

from __future__ import annotations

from typing import Literal

import msgspec

from qdebug.doors.confined.limits import Limits

MODEL = "model.json"
TENSORS = "tensors.safetensors"
ARRAYS = "arrays.json"
FAILURE = "failure.json"
LOG = "log"
Kind = Literal["onnx", "npz", "convert", "check"]
FAILED = 3
"""The child's exit status where it has written why it failed."""


class Task(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the child is to do.

    Attributes:
        kind: what is done with the file: read as a model or as data; or, of a model that was written here, converted
            to another opset or checked.
        source: the file.
        folder: where results are left.
        parent: the process without which the child has no business.
        limits: what it may cost.
        opset: what a model is converted to.
    """

    kind: Kind
    source: str
    folder: str
    parent: int
    limits: Limits
    opset: int = 0


class Failure(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the child failed: an error of the tree in :mod:`qdebug.errors`, or the name of a limit that it met."""

    kind: str
    what: str = ""
    do: str = ""
    where: dict[str, str] = {}


class Array(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An array of a data file: its name, where its bytes lie, numpy's spelling of its type, and its shape."""

    name: str
    key: str
    dtype: str
    shape: tuple[int, ...]

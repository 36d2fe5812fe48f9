"""What an export has written."""

from __future__ import annotations

import msgspec

from qdebug.results.base import Result


class Exported(Result, frozen=True, kw_only=True):
    """A written file.

    Attributes:
        path: where it lies.
        opset: version of ONNX's own operators in it; 0 for files that have none.
        added: how many nodes it has that the original has not.
        gone: names of the original that it no longer has, because what they stood for was computed beforehand.
        renamed: values of the session that go by another name in the file: what a layer writes whose normalization was
            folded into it goes by the normalization's.
        unsaid: what the recipe says and the file cannot, one sentence each.
        bytes: size on disk, data files beside it included.
        holds: names of the files in it, where it is an archive of several.
    """

    path: str
    opset: int = 0
    added: int = 0
    gone: tuple[str, ...] = ()
    renamed: dict[str, str] = msgspec.field(default_factory=dict)
    unsaid: tuple[str, ...] = ()
    bytes: int
    holds: tuple[str, ...] = ()

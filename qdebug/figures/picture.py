"""A small picture as a web page shows it."""

from __future__ import annotations

import base64
import struct
import zlib

from qdebug.results import Picture


def data_uri(one: Picture) -> str:
    """The picture as a ``data:`` address."""
    return "data:image/png;base64," + base64.b64encode(png(one)).decode()


def png(one: Picture) -> bytes:
    """The picture as a PNG file (W3C PNG specification, third edition: 8 bits, grey or RGB, no filter).

    Raises:
        ValueError: there are more or fewer pixels than its sizes say.
    """
    row = one.width * one.channels
    if len(one.pixels) != row * one.height or one.channels not in (1, 3):
        raise ValueError(f"{len(one.pixels)} bytes for {one.height} × {one.width} × {one.channels}")
    header = struct.pack(">IIBBBBB", one.width, one.height, 8, 0 if one.channels == 1 else 2, 0, 0, 0)
    lines = b"".join(b"\0" + one.pixels[start : start + row] for start in range(0, len(one.pixels), row))
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, body) for kind, body in chunks)


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

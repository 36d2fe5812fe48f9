"""Files of weights written byte by byte, right and wrong."""

import json
import struct

import numpy as np


def safetensors(header, data=b"", length=None):
    """The bytes of a file with that header; ``length`` is what it says of the header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, begin, end, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def text(value):
    """A GGUF string."""
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def gguf(tensors, pairs=b"", count=0, *, version=3, magic=b"GGUF", alignment=32, data=None, said=None):
    """The bytes of a file.

    Args:
        tensors: name, axes (fastest first), type, offset.
        pairs: encoded key-value pairs, ``count`` of them.
        said: numbers of tensors and pairs, where the file lies about them.
    """
    body = b"".join(
        text(name) + struct.pack("<I", len(axes)) + b"".join(struct.pack("<Q", n) for n in axes)
        + struct.pack("<IQ", kind, offset)
        for name, axes, kind, offset in tensors
    )  # fmt: skip
    head = magic + struct.pack("<IQQ", version, *(said or (len(tensors), count))) + pairs + body
    head += b"\0" * (-len(head) % alignment)
    if data is None:
        data = np.random.default_rng(0).standard_normal(64).astype(np.float32).tobytes()
    return head + data

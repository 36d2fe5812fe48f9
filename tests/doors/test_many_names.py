"""Names in the hundred thousands: the one that stands twice is found in one look over them."""

import json

import pytest

from qdebug.doors.stored.gguf import read_gguf
from qdebug.doors.stored.safetensors import read_safetensors
from qdebug.errors import FileError
from qdebug.recipes.text import read_plain
from tests.doors.stored_files import gguf

NAMES = [f"{k:06}" for k in range(200_000)] + ["199999"]
"""Comparing each with each is 40 thousand million comparisons: minutes."""


def in_json(value):
    """An object with all of the names."""
    return "{" + ",".join(f'"{name}":{json.dumps(value)}' for name in NAMES) + "}"


def test_in_a_recipe():
    with pytest.raises(ValueError, match="the key '199999' stands twice"):
        read_plain(in_json(1))


def test_in_the_header_of_a_safetensors_file(tmp_path):
    header = in_json({"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}).encode()
    (tmp_path / "w.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
    with pytest.raises(FileError, match="'199999' is named twice"):
        read_safetensors(tmp_path / "w.safetensors")


def test_in_a_gguf_file(tmp_path):
    (tmp_path / "w.gguf").write_bytes(gguf([(name, [0], 0, 0) for name in NAMES]))
    with pytest.raises(FileError, match="'199999' occurs twice"):
        read_gguf(tmp_path / "w.gguf")

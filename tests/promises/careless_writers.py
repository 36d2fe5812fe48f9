"""Writers as they should not be: each leaves something torn when it is killed or the disk is full."""

import os

from benchmarks.promises.wholeness.phase import Phase
from qdebug.errors import FileError


def phases(aside):
    def in_place(folder):
        with (folder / "a.bin").open("wb", buffering=0) as file:
            for part in range(3):
                file.write(bytes([part]) * 100)

    def tensors_first(folder):
        try:
            for name in ("net.data", "net.onnx"):
                (folder / f".{name}.part").write_bytes(b"new")
        except OSError as error:
            raise FileError("Cannot write the model") from error
        for name in ("net.data", "net.onnx"):
            os.replace(folder / f".{name}.part", folder / name)

    def older(folder):
        for name in ("net.data", "net.onnx"):
            (folder / name).write_bytes(b"old")

    return [
        Phase("written in place", in_place),
        Phase("tensors replaced under a model", tensors_first, older, leads="net.onnx"),
    ]

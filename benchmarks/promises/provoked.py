"""One error of every class in :mod:`qdebug.errors`, provoked as a person does it, where it is raised."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from benchmarks.promises.watermarks import Mark
from qdebug.errors import BY_NAME, Cancelled, QDebugError

MARK = Mark("net", 2.0)


def messages(folder: Path) -> dict[str, str]:
    """What each class says, with the folder left out, by the class's name; an exception of another class as it is."""
    (folder / "net.onnx").write_bytes(MARK.network)
    (folder / "net.npz").write_bytes(MARK.data)
    found = {}
    for name in BY_NAME:
        if name != "QDebugError":  # the root is never raised itself
            try:
                _WAYS[name](folder)
                found[name] = "nothing was raised"
            except QDebugError as error:
                found[name] = f"{type(error).__name__}: {error}".replace(f"{folder}/", "")
    return found


def lacking(name: str, text: str) -> list[str]:
    """What a message lacks: its class, or a second sentence that says what to do. After a cancel nothing is to do."""
    kind, _, said = text.partition(": ")
    faults = [] if kind == name else [f"it is a {kind}"]
    first, _, then = said.partition(". ")
    is_whole = bool(first) and then[-1:] in (".", "?")
    return faults if is_whole or kind == name == Cancelled.__name__ else [*faults, "it does not say what to do"]


def _model(folder: Path) -> None:
    from qdebug.session import open as open_model

    whole = (folder / "net.onnx").read_bytes()
    (folder / "odd.onnx").write_bytes(whole.replace(b"MatMul", b"MutMal"))
    open_model(folder / "odd.onnx", folder / "net.npz")


def _data(folder: Path) -> None:
    from qdebug.session import open as open_model

    np.savez(folder / "other.npz", y=np.zeros((4, 16), np.float32))
    open_model(folder / "net.onnx", folder / "other.npz")


def _recipe(folder: Path) -> None:
    from qdebug.recipes import preset, set_layers
    from qdebug.session import open as open_model

    recipe = preset("w8a8")
    session = open_model(folder / "net.onnx", folder / "net.npz")
    session.check(set_layers(recipe, {"net.layer9": recipe.default}))


def _numeric(folder: Path) -> None:
    import torch

    from qdebug.formats import INT8
    from qdebug.quantize import choose_qparams

    choose_qparams(torch.tensor(0.0), torch.tensor(float("nan")), INT8, True, layer="net.layer1", tensor="weight")


def _method(folder: Path) -> None:
    from qdebug.recipes import parse_fix

    parse_fix("smoothqant:alpha=0.5")


def _metric(folder: Path) -> None:
    from qdebug.doors.function import read_function

    (folder / "own.py").write_text("def dice(outputs, labels):\n    return 0.0\n")
    read_function(f"{folder}/own.py:dize")


def _file(folder: Path) -> None:
    from qdebug.jobs import uploads

    with _with(QDEBUG_UPLOADS=str(folder / "uploads"), QDEBUG_UPLOAD_MB="1"):
        uploads.store([("large.onnx", bytes(3 * 2**20))])


def _usage(folder: Path) -> None:
    from qdebug.jobs import uploads

    with _with(QDEBUG_UPLOAD_MB="many"):
        uploads.largest_mib()


def _worker(folder: Path) -> None:
    import sys

    from qdebug.jobs import connect

    connect(folder / "run", (sys.executable, "-c", "raise SystemExit(3)"))


def _cancelled(folder: Path) -> None:
    from qdebug.engine import Work
    from qdebug.session import open as open_model

    work = Work()
    work.cancel()
    open_model(folder / "net.onnx", folder / "net.npz").score("w8a8", work)


@contextmanager
def _with(**variables: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name)
            else:
                os.environ[name] = value


_WAYS: Mapping[str, Callable[[Path], None]] = {
    "ModelError": _model, "DataError": _data, "RecipeError": _recipe, "NumericError": _numeric,
    "MethodError": _method, "MetricError": _metric, "FileError": _file, "UsageError": _usage, "WorkerError": _worker,
    Cancelled.__name__: _cancelled,
}  # fmt: skip

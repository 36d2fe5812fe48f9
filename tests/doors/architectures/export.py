"""Exporting a network of the zoo, once for all test processes, with what it must give."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

import numpy as np

from tests.doors.architectures.writers import write
from tests.doors.architectures.zoo import ZOO

AT_EXPORT, AT_RUN = 2, 3  # samples in a batch


@dataclass(frozen=True, slots=True)
class Exported:
    """An ONNX file and what it must give.

    Attributes:
        path: the file.
        inputs: by name, of another batch than the one that was exported with.
        reference: ONNX Runtime's outputs by name, in float, its graph optimizations as they come.
        torch: the torch module's outputs by name.
    """

    path: Path
    inputs: dict[str, np.ndarray]
    reference: dict[str, np.ndarray]
    torch: dict[str, np.ndarray]


def exported(folder: Path, name: str, opset: int) -> Exported:
    """A network of the zoo as an ONNX file, made at the first call and read from ``folder`` by later ones.

    Processes may call at once: each makes a folder of its own and renames it into place, where the first one wins.

    Args:
        folder: where the files are kept.
        name: a key of ``ZOO``.
        opset: of the default domain.
    """
    place = folder / f"{name}-{opset}"
    if not place.exists():
        mine = Path(mkdtemp(prefix=f".{name}-{opset}-", dir=folder))
        _make(mine, name, opset)
        with contextlib.suppress(OSError):  # another process was here first, and made the same
            os.rename(mine, place)
    with np.load(place / "values.npz") as values:
        kinds = [
            {key.split("/")[1]: values[key] for key in values.files if key.startswith(kind)}
            for kind in ("inputs/", "reference/", "torch/")
        ]
    return Exported(place / "model.onnx", *kinds)


def _make(folder: Path, name: str, opset: int) -> None:
    """Writes ``model.onnx`` and ``values.npz``."""
    import onnxruntime
    import torch

    zoo = ZOO[name]
    generator = torch.Generator().manual_seed(7)
    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(0)
        module = zoo.build()
        example = zoo.inputs(AT_EXPORT, generator)
        write(zoo, module, example, folder / "model.onnx", opset)
        inputs = zoo.inputs(AT_RUN, generator)
        with torch.no_grad():
            outputs = module(*inputs.values())
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    one_thread = onnxruntime.SessionOptions()
    one_thread.intra_op_num_threads = one_thread.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(folder / "model.onnx", one_thread, providers=["CPUExecutionProvider"])
    fed = {key: value.numpy() for key, value in inputs.items()}
    given = dict(zip(zoo.outputs, session.run(list(zoo.outputs), fed), strict=True))
    values = {f"inputs/{key}": value for key, value in fed.items()}
    values |= {f"reference/{key}": value for key, value in given.items()}
    values |= {f"torch/{key}": value.numpy() for key, value in zip(zoo.outputs, outputs, strict=True)}
    np.savez(folder / "values.npz", **values)


@contextlib.contextmanager
def _quiet():
    """The exporter's and the libraries' words, on every way they take, say nothing of our files."""
    before, nowhere = logging.root.manager.disable, io.StringIO()
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)

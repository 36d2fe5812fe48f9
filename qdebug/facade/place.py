"""Where an open model can be opened again: where it came from, or in the workspace, where it is written."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import msgspec
import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from qdebug.doors import SAMPLE_NAMES, Dataset
from qdebug.doors.module import torch_tools
from qdebug.errors import FileError, ModelError, UsageError
from qdebug.jobs import metrics
from qdebug.results import ModelRef
from qdebug.search.sweep.journal import workspace
from qdebug.session.judging import Asked
from qdebug.session.subject import Subject
from qdebug.whole import whole_file

MODEL, DATA, CALIB, TRAIN = "model.pt2", "data.npz", "calibration.npz", "training.npz"


@dataclass(frozen=True)
class Given:
    """What a session was opened from, as it was given."""

    model: str | os.PathLike[str] | nn.Module
    data: object = None
    calib: object = None
    train: object = None
    metric: Asked = None
    window: int | None = None
    tokens: int | None = None

    @property
    def ref(self) -> ModelRef | None:
        """The reference that means the same from any folder; None where something has no path."""
        model = _located(self.model)
        data, calib, train = _located(self.data), _located(self.calib), _located(self.train)
        pairs = ((data, self.data), (calib, self.calib), (train, self.train))
        metric = self.metric if isinstance(self.metric, str) else None
        if (
            model is None
            or (metric is None) != (self.metric is None)
            or any((place is None) != (given is None) for place, given in pairs)
        ):
            return None
        return ModelRef(
            model=model, data=data, calib=calib, train=train, metric=metric, window=self.window, tokens=self.tokens
        )


def place(given: Given, subject: Subject) -> ModelRef:
    """A reference by which another process can open the model: what has no path is written into the workspace.

    Raises:
        ModelError: the model cannot be written.
        FileError: the workspace cannot be written to.
        UsageError: the metric is a function that was not given by its file.
    """
    metric = _placed_metric(given.metric)
    if (ref := given.ref) is not None:
        return msgspec.structs.replace(ref, metric=metric)
    if metric is None and subject.meter.task == "embedding":
        metric = "cosine"  # of a part, which a file of its own does not say
    folder = workspace() / "opened" / _name(subject)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        model = _located(given.model) or _written_model(subject, folder / MODEL)
        data, calib, train = _located(given.data), _located(given.calib), _located(given.train)
        if given.data is not None and data is None:
            data = _written_data(subject.data, folder / DATA)
        if given.calib is not None and calib is None:
            calib = _written_data(subject.calib, folder / CALIB)
        if given.train is not None and train is None and subject.training is not None:
            train = _written_data(subject.training, folder / TRAIN)
    except OSError as error:
        raise FileError(
            f"The model cannot be written for the app: {error.strerror or error}", file=folder,
            do="Name another folder in QDEBUG_WORKSPACE.",
        ) from None  # fmt: skip
    window, tokens = (given.window, given.tokens) if _located(given.data) else (None, None)  # arrays are cut already
    return ModelRef(
        model=model, data=data, calib=calib, train=train, metric=metric, window=window, tokens=tokens
    )  # fmt: skip


def _placed_metric(metric: Asked) -> str | None:
    """A metric as another process finds it: its name, or a copy of the file of a function.

    Raises:
        UsageError: it is a function that was not given by its file.
        FileError: the file cannot be read or copied.
    """
    if metric is None or isinstance(metric, str):
        return metrics.approve(metric) if metric is not None and metrics.names_file(metric) else metric
    raise UsageError(
        "The app runs in another process, which does not know this function",
        metric=getattr(metric, "__name__", "metric"),
        do="Write it into a file of its own, and open the model with metric='path/to/file.py:function'.",
    )  # fmt: skip


def _located(given: object) -> str | None:
    """A sample's name, or a path from the root on; None for what has neither."""
    if not isinstance(given, (str, os.PathLike)):
        return None
    text = os.fspath(given)
    return text if text in SAMPLE_NAMES else str(Path(text).resolve())


def _name(subject: Subject) -> str:
    parts = [subject.data, subject.calib]
    if subject.training is not None and subject.training is not subject.calib:
        parts.append(subject.training)
    return "-".join([subject.info.digest, *(part.digest.hex()[:8] for part in parts)])


def _written_model(subject: Subject, target: Path) -> str:
    """The program that torch captured, as a file."""
    if not isinstance(subject.origin, ExportedProgram):
        raise ModelError(
            "This model came neither from a file nor from torch, so that the app cannot open it",
            do="Write it as .onnx or .pt2 and open that.",
        )
    with whole_file(target) as part, part.open("wb") as file, torch_tools():
        sink = _Sink(file)
        try:
            torch.export.save(subject.origin, sink)
        except Exception as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ModelError(
                f"torch.export.save cannot write this model: {reason.strip()}",
                do="The app opens files only: export the model to ONNX, and open that.",
            ) from error
        if sink.failed is not None:
            raise sink.failed
    return str(target)


class _Sink(io.BytesIO):
    """Where torch writes to. A disk that is full is told afterwards: torch's writer ends the process where it meets it.

    Attributes:
        failed: what the file said first.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self.failed: OSError | None = None

    def write(self, content: Any, /) -> int:
        """Hand it on; after the first failure, to nobody."""
        try:
            if self.failed is None:
                self._file.write(content)
        except OSError as error:
            self.failed = error
        return len(content)


def _written_data(data: Dataset, target: Path) -> str:
    """Inputs, labels and groups as arrays."""
    # NumPy has no bfloat16; opening it again makes the same numbers of the wider ones.
    wide = {name: x.float() if x.dtype is torch.bfloat16 else x for name, x in data.inputs.items()}
    arrays = {name: tensor.numpy() for name, tensor in wide.items()}
    if data.labels is not None:
        arrays["target" if data.labels.is_floating_point() else "labels"] = data.labels.numpy()
    if data.group is not None:
        arrays["group"] = data.group
    with whole_file(target) as part, part.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)
    return str(target)

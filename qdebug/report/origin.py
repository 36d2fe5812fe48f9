"""What a report rests on: when it was made, with which versions, on which data."""

from __future__ import annotations

import datetime
import hashlib
from importlib import metadata
from pathlib import PurePath
from typing import Any

import msgspec
import torch

from qdebug.doors import Dataset
from qdebug.recipes import Recipe
from qdebug.recipes.serial import to_plain
from qdebug.results.report import DataUsed
from qdebug.session import Session

_COMPUTES = ("qdebug", "torch", "numpy", "onnx", "onnxruntime")


def now() -> str:
    """This second in UTC, as ISO 8601 has it."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def versions() -> dict[str, str]:
    """Of the packages that are there; an optional one may not be."""
    found = {}
    for name in _COMPUTES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def plain_recipe(session: Session, recipe: Recipe) -> dict[str, Any]:
    """The recipe as its file has it, made for this model."""
    return to_plain(msgspec.structs.replace(recipe, model=session.info().digest))


def data_used(session: Session, recipe: Recipe) -> tuple[DataUsed, ...]:
    """The data behind the numbers; those to train on only where a fix trains."""
    subject = session.subject
    used = [_used("evaluation", subject.data), _used("calibration", subject.calib)]
    if subject.training is not None and any(fix.stage == "training" for fix in recipe.fixes):
        used.append(_used("training", subject.training))
    return tuple(used)


def content_digest(data: Dataset) -> str:
    """Names inputs, labels and groups: the metric is a function of all three."""
    total = hashlib.blake2b(data.digest, digest_size=16)
    if data.labels is not None:
        total.update(f"labels {tuple(data.labels.shape)}".encode())
        kind = torch.float32 if data.labels.is_floating_point() else torch.int64
        total.update(data.labels.contiguous().to(kind).numpy().tobytes())
    if data.group is not None:
        total.update("\0".join(map(str, data.group)).encode("utf-8", "surrogatepass"))
    return total.hexdigest()


def _used(role: Any, data: Dataset) -> DataUsed:
    """A path is told by its last part: a report that is sent shall not tell how somebody's disk is laid out."""
    source = PurePath(data.source).name if "/" in data.source or "\\" in data.source else data.source
    return DataUsed(role=role, source=source, n=len(data), digest=content_digest(data))

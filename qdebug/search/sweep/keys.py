"""What a measurement depends on, as one name."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path

import msgspec
import torch

import qdebug
from qdebug.search.sweep.bench import Task

_NOT_COMPUTED = ("facade", "web", "cli", "figures", "jobs", "export", "verify", "search/predict")
"""Rooms whose edits change no measurement."""


@cache
def build() -> str:
    """Names the code that measures: the package's files by content, but for those that only show, and torch."""
    root = Path(qdebug.__file__).parent
    total = hashlib.blake2b(f"{qdebug.__version__} {torch.__version__}".encode(), digest_size=8)
    for path in sorted(root.rglob("*.py")):
        name = path.relative_to(root).as_posix()
        if not name.startswith(tuple(room + "/" for room in _NOT_COMPUTED)):
            content = path.read_bytes()
            total.update(f"{name} {len(content)} ".encode() + content)
    return total.hexdigest()


def key(identity: str, task: Task) -> str:
    """The name of a task's numbers: model and data, recipe, batches, and the code that measures."""
    content = msgspec.json.encode((identity, build(), task.recipe, task.first, task.last, task.measure, task.sums))
    return hashlib.blake2b(content, digest_size=16).hexdigest()

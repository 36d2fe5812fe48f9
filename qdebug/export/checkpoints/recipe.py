"""A recipe as a checkpoint: the folder that the model came from, with its layers stored as the recipe has them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from functools import partial

import torch

from qdebug.doors.checkpoints import Shards, StoredLinear
from qdebug.engine.scratch import Scratch
from qdebug.errors import RecipeError, UsageError, near
from qdebug.export.checkpoints.compressed import Keep, Written, as_it_is, compressed_tensors
from qdebug.export.checkpoints.folder import SHARD, write_folder
from qdebug.export.checkpoints.linears import decided_linear
from qdebug.export.checkpoints.words import awq, gptq
from qdebug.export.targets import remarks
from qdebug.graph.filed import FiledTensor
from qdebug.machine import memory_limit
from qdebug.results import Exported
from qdebug.session.decided import Decided, DecidedLayer

KINDS = ("compressed-tensors", "gptq", "awq")
_LEAST = 1 << 27
"""Bytes of a file of the folder where memory is scarce: so much is put together before it is written."""
_TYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


def write_checkpoint(
    decided: Decided, original: str | os.PathLike[str], path: str | os.PathLike[str], kind: str = KINDS[0]
) -> Exported:
    """Write a recipe that was worked out as a quantized checkpoint.

    Tensors that fixes changed (norms, biases, weights that stay float) are those of the recipe.

    Args:
        decided: the recipe on the model.
        original: the float checkpoint that the model was opened from.
        path: the new folder, which must not exist.
        kind: how it is stored, one of :data:`KINDS`.

    Raises:
        UsageError: there is no such kind.
        RecipeError: nothing of the recipe can be stored so.
        FileError: the original is not the model's folder, or the new one cannot be written.
    """
    if kind not in KINDS:
        raise UsageError(f"There is no checkpoint of the kind '{kind}'", do=near(kind, KINDS))
    shards = Shards(original)
    # What is too large for memory as the model has it is too large as codes as well.
    is_large = any(isinstance(one.values, FiledTensor) for one in decided.layers)
    keep = Scratch().filed if is_large else as_it_is
    layers, ignored, unsaid = _layers(decided, shards, keep)
    written = _writer(kind, shards, ignored)(layers, keep=keep)
    unsaid += written.unsaid
    if not written.tensors:
        raise remarks.nothing_left(kind, unsaid, decided)
    unsaid += [*remarks.on_points(decided, kind), *remarks.on_biases(decided, kind)]
    stored = {f"{name.rpartition('.')[0]}.weight" for name in written.tensors}
    changed = {}
    for name, tensor in decided.replaced.items():
        place = _place(name, shards)
        if place is None:
            raise RecipeError(
                f"A fix changed '{name}', which the checkpoint does not hold", file=original,
                do="Leave that fix out, or export to ONNX.",
            )  # fmt: skip
        if place not in stored:
            changed[place] = tensor
    unsaid += [
        f"{layer.layer.name}: a fix gave it a bias that the checkpoint does not have."
        for layer in decided.layers
        if layer.bias is None and layer.bias_values is not None
    ]
    shard = min(SHARD, max(_LEAST, memory_limit() // 16)) if is_large else SHARD
    folder = write_folder(original, path, written.tensors, written.config, changed=changed, shard=shard)
    size = sum(file.stat().st_size for file in folder.iterdir())
    return Exported(path=str(folder), unsaid=tuple(dict.fromkeys(unsaid)), bytes=size)


def _layers(decided: Decided, shards: Shards, keep: Keep) -> tuple[list[StoredLinear], list[str], list[str]]:
    """Layers that are codes on a grid, under the folder's names; linear layers that stay float; and why."""
    found: dict[str, StoredLinear] = {}
    ignored: list[str] = []
    unsaid: list[str] = []
    for layer in decided.layers:
        module = _module(layer, shards)
        if layer.weight.plan.is_float32:
            if layer.is_quantized:
                unsaid.append(f"{layer.layer.name}: the activation stays float, since the weight does.")
            if layer.layer.kind == "matmul" and module:
                ignored.append(module)
            continue
        stored = decided_linear(layer) if module else None
        if module is None or stored is None:
            why = remarks.no_codes(layer) or "it is no linear layer whose weight is codes on one grid"
            why = why if module else "the checkpoint holds no weight of its name"
            unsaid.append(f"{layer.layer.name}: the weight stays float: {why}.")
            ignored += [module] if module else []
        elif layer.basis is not None:
            unsaid.append(f"{layer.layer.name}: the weight stays float: its input is quantized in another basis.")
            ignored.append(module)
        elif module not in found:
            found[module] = StoredLinear(
                module, stored.plan, stored.grid, keep(stored.codes), stored.activation, stored.activation_grid
            )
    return list(found.values()), ignored, unsaid


def _module(layer: DecidedLayer, shards: Shards) -> str | None:
    place = _place(layer.weight.name, shards)
    return place.removesuffix(".weight") if place and place.endswith(".weight") else None


def _place(name: str, shards: Shards) -> str | None:
    """A tensor's name in the folder: as in the model, or without what a wrapper has put before it."""
    while name not in shards:
        _, dot, name = name.partition(".")
        if not dot:
            return None
    return name


def _writer(kind: str, shards: Shards, ignored: list[str]) -> Callable[..., Written]:
    if kind in ("gptq", "awq"):
        return partial(gptq if kind == "gptq" else awq, ignore=ignored)
    kinds = Counter(shards.kind(name) for name in shards)
    dtype = max(_TYPES, key=lambda one: kinds[one])
    return partial(compressed_tensors, dtype=_TYPES[dtype], ignore=ignored)

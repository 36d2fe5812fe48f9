"""From a path or a module to a program, whatever door it comes through."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from qdebug.doors import SAMPLE_NAMES, capture, read_npz, read_pt2
from qdebug.doors.axes import declared_alike, fixed_batch
from qdebug.doors.dataset import EXTRA
from qdebug.doors.datasets import is_table, open_table, read_pictures
from qdebug.doors.image_card import card_of
from qdebug.doors.signature import by_name, signature_of
from qdebug.engine.memory import hand_back_memory
from qdebug.errors import DataError, FileError, ModelError, near
from qdebug.graph import Program, lower
from qdebug.graph.fold import fold_batch_norm
from qdebug.graph.layers import find_layers
from qdebug.graph.linear import fold_bias
from qdebug.recipes import Recipe
from qdebug.results import TensorSpec
from qdebug.session.own import own_recipe

if TYPE_CHECKING:
    from qdebug.doors.huggingface import Checkpoint
    from qdebug.doors.huggingface.standins import StandIns
    from qdebug.doors.onnx import OnnxFile

Arrays = Mapping[str, Any]
Untrusted = Callable[[Path], bool]
"""Tells of a file whether a stranger gave it; such a file is read in a process of its own."""


@dataclass(frozen=True)
class Loaded:
    """A model without its data.

    Attributes:
        program: what is run.
        inputs: what it wants to be fed; None stands for a size that may vary.
        kind: the door, for instance ``pt2``.
        unknown: nodes that cannot be run, and what of a quantized file its recipe does not say, in words.
        recipe: that of a file that was quantized already.
        origin: what an export starts from: the ONNX file, or the program that torch captured.
        is_strange: whether a stranger gave the file; then nothing but a process with walls opens it.
        renamed: what nodes are called here whose name another node of the file has too.
        says_embeddings: whether the output is vectors whose direction counts.
        folder: the Hugging Face folder, which checkpoints are written from.
    """

    program: Program
    inputs: tuple[TensorSpec, ...]
    kind: str
    unknown: tuple[str, ...] = ()
    recipe: Recipe | None = None
    origin: Path | ExportedProgram | None = None
    is_strange: bool = False
    renamed: tuple[str, ...] = ()
    says_embeddings: bool = False
    folder: Path | None = None


def from_module(module: nn.Module, arrays: Arrays, kind: str = "module") -> Loaded:
    """A module, captured on the first samples of its data.

    Raises:
        DataError: there is no sample to capture it on.
        ModelError: it cannot be captured.
    """
    exported, batch = capture(module, _first(module, arrays))
    return Loaded(fold_batch_norm(lower(exported, batch=batch)), _specs(exported), kind, origin=exported)


def _first(module: nn.Module, arrays: Arrays) -> dict[str, Tensor]:
    """The first samples of a module's inputs among arrays.

    Raises:
        DataError: there is none.
    """
    arrays = by_name(arrays, signature_of(module))  # which knows a target from a parameter of that name
    given = {key: torch.as_tensor(value) for key, value in arrays.items() if key not in EXTRA}
    inputs = {key: value[:2] if value.dim() else value for key, value in given.items() if value.numel()}
    if not any(value.dim() for value in inputs.values()):
        raise DataError(
            "The data have no sample of any model input", do="Give one non-empty array per parameter of forward."
        )
    return inputs


def from_checkpoint(checkpoint: Checkpoint, arrays: Arrays | None = None, *, resident: int) -> Loaded:
    """A Hugging Face folder, captured on the first samples of its data, or on nothing but zeros.

    Args:
        checkpoint: the folder.
        arrays: its data.
        resident: bytes up to which weights are held in memory; those that take more stay in their files.

    Raises:
        FileError: weights are missing or damaged.
        ModelError: they do not fit the configuration, or the architecture cannot be captured.
    """
    blank = checkpoint.blank_module(resident)
    if blank is not None:
        loaded = _from_files(checkpoint, *blank, arrays)
        del blank
        gc.collect()  # torch's capture leaves circles behind, and whoever comes here has little memory
        hand_back_memory()
    else:
        module = checkpoint.module()
        loaded = from_module(module, checkpoint.blank(module) if arrays is None else arrays, "huggingface")
    loaded = replace(
        loaded, unknown=checkpoint.unknown, says_embeddings=checkpoint.says_embeddings, folder=checkpoint.config.folder
    )
    if checkpoint.packed is None:
        return loaded
    from qdebug.session.checkpoint import with_checkpoint

    return with_checkpoint(loaded, checkpoint.packed)


def _from_files(checkpoint: Checkpoint, module: nn.Module, stand_ins: StandIns, arrays: Arrays | None) -> Loaded:
    """A folder's program whose weights stay in its files."""
    inputs = _first(module, checkpoint.blank(module) if arrays is None else arrays)
    exported, batch = capture(module, inputs, checked=False)
    program = lower(exported, batch=batch)
    return Loaded(replace(program, state=stand_ins.replaced(program.state)), _specs(exported), "huggingface")


def nobody(path: Path) -> bool:
    """No file is a stranger's: paths come from whoever runs this process."""
    return False


def from_path(
    path: str | os.PathLike[str], untrusted: Untrusted = nobody, check: Callable[[], None] = lambda: None
) -> Loaded:
    """A model file.

    Args:
        path: where it lies.
        untrusted: whether it is a stranger's.
        check: called while a stranger's file is read; raises where the work is to stop.

    Raises:
        FileError: it is missing or damaged.
        ModelError: its kind is not understood, or it cannot be opened.
    """
    file = Path(path)
    kind = file.suffix.lower()
    strange = untrusted(file)
    if kind == ".onnx":
        from qdebug.doors.confined import read_confined
        from qdebug.doors.onnx import read_onnx

        return from_onnx(read_confined(file, check) if strange else read_onnx(file), file, is_strange=strange)
    if strange and file.exists():
        raise FileError(
            f"A '{kind or file.name}' file is not opened from an upload", file=file.name,
            do="Upload an .onnx file. A .pt2 is not read behind walls: put it on the server's disk and give its path.",
        )  # fmt: skip
    if kind == ".pt2":
        return _pt2(file)
    if file.exists():
        raise ModelError(
            f"'{file.suffix or file.name}' files are not understood", file=file,
            do="Give an .onnx file, a .pt2 file (torch.export.save), a Hugging Face folder (with config.json) or a "
            "sample's name.",
        )  # fmt: skip
    raise FileError(
        "There is no sample and no file of that name", file=file,
        do=near(str(file), SAMPLE_NAMES) or f"Samples: {', '.join(SAMPLE_NAMES)}.",
    )  # fmt: skip


def from_npz(
    path: str | os.PathLike[str], untrusted: Untrusted = nobody, check: Callable[[], None] = lambda: None
) -> tuple[Arrays, str]:
    """A data file, or a folder or a table of images, and what it is called in messages.

    Arguments are those of :func:`from_path`.

    Raises:
        FileError: it is missing or damaged.
        DataError: it holds no arrays of numbers, or no images.
    """
    file = Path(path)
    if file.is_dir() or is_table(file):
        if untrusted(file):
            what = "folder" if file.is_dir() else "table"
            raise FileError(f"A {what} is not opened from an upload", file=file.name, do="Upload an .npz file.")
        if is_table(file):
            return read_pictures(open_table(file), card_of(file), check=check), os.fspath(path)
        from qdebug.doors.images import read_images

        return read_images(file, check=check), os.fspath(path)
    if not untrusted(file):
        return read_npz(file), os.fspath(path)
    from qdebug.doors.confined import read_confined_npz

    return read_confined_npz(file, check), file.name


def _pt2(file: Path) -> Loaded:
    exported = read_pt2(file)
    specs = _specs(exported)
    fixed = fixed_batch(specs, declared_alike(specs))
    return Loaded(fold_batch_norm(lower(exported, batch=fixed)), specs, "pt2", origin=exported)


def from_onnx(read: OnnxFile, file: Path, *, is_strange: bool = False) -> Loaded:
    """An ONNX file that has been read.

    Args:
        read: what is in it.
        file: where it lies.
        is_strange: whether a stranger gave it.

    Raises:
        ModelError: its graph contradicts itself.
    """
    from qdebug.doors.onnx import lower_onnx, unquantized

    opened, stored = unquantized(read)
    renamed = opened.model.renamed
    lowered = lower_onnx(opened)
    program = fold_batch_norm(fold_bias(lowered.program, stored.values))
    if stored.is_empty:
        return Loaded(
            program, lowered.inputs, "onnx", lowered.unknown, origin=file, is_strange=is_strange, renamed=renamed
        )
    constants = {index: tuple(tensor.shape) for index, tensor in program.state.items()}
    program, recipe, left = own_recipe(program, find_layers(program, constants), stored)
    return Loaded(program, lowered.inputs, "onnx", (*lowered.unknown, *left), recipe, file, is_strange, renamed)


def _specs(exported: ExportedProgram) -> tuple[TensorSpec, ...]:
    """Name, shape and dtype of the user inputs; None stands for a size that may vary."""
    names = set(exported.graph_signature.user_inputs)
    specs: list[TensorSpec] = []
    for node in exported.graph.nodes:
        if node.op == "placeholder" and node.name in names:
            value = node.meta["val"]
            shape = tuple(size if isinstance(size, int) else None for size in value.shape)
            specs.append(TensorSpec(name=str(node.name), shape=shape, dtype=str(value.dtype).removeprefix("torch.")))
    return tuple(specs)

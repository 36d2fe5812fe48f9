"""A folder as people download it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec
import numpy as np
from torch import Tensor, nn

from qdebug.doors.checkpoints import Checkpoint as PackedWeights
from qdebug.doors.datasets import is_table, open_table, read_pictures
from qdebug.doors.huggingface.config import Config, read_config
from qdebug.doors.huggingface.experts import unfold
from qdebug.doors.huggingface.heads import dummy, with_head
from qdebug.doors.huggingface.samples import STREAMS, Cut, read_samples
from qdebug.doors.huggingface.standins import StandIns, left_in_files
from qdebug.doors.huggingface.texts import KINDS
from qdebug.doors.huggingface.weights import checkpoint, load, load_blank, stored_quantized
from qdebug.doors.npz import read_npz
from qdebug.errors import DataError
from qdebug.results import TensorSpec

_TOKENS = 16


def is_folder(path: str | os.PathLike[str]) -> bool:
    """Whether this is a folder with a ``config.json``."""
    return (Path(path) / "config.json").is_file()


def open_checkpoint(path: str | os.PathLike[str], cut: Cut | None = None) -> Checkpoint:
    """Understand a folder's configuration; its weights and its tokenizer are read when they are needed.

    Args:
        path: the folder.
        cut: how texts are cut into windows, where the model reads a stream of them.

    Raises:
        FileError: ``config.json`` is damaged.
        ModelError: the architecture is not known.
    """
    return Checkpoint(read_config(Path(path)), cut or Cut())


@dataclass(frozen=True)
class Checkpoint:
    """A Hugging Face folder.

    Attributes:
        config: its configuration.
        cut: how streams of tokens are cut into windows.
    """

    config: Config
    cut: Cut = field(default_factory=Cut)

    @property
    def says_embeddings(self) -> bool:
        """Whether the output is vectors whose direction counts."""
        return self.config.kind in ("embedding", "hidden", "image-hidden", "speech")

    def cuts(self, path: object) -> bool:
        """Whether windows are cut from a data file: it is text, and the model reads a stream of it."""
        is_path = isinstance(path, (str, os.PathLike))
        return is_path and self.config.kind in STREAMS and (Path(path).suffix.lower() in KINDS or is_table(path))

    @property
    def unknown(self) -> tuple[str, ...]:
        """What of the folder was not used, in words."""
        if not self.config.own_code:
            return ()
        return (f"The folder has code of its own ({', '.join(self.config.own_code)}), which was not run",)

    @cached_property
    def packed(self) -> PackedWeights | None:
        """The weights, where they are quantized already.

        Raises:
            FileError: a file is missing or damaged.
            ModelError: the way in which they are stored is not known.
        """
        return stored_quantized(self.config)

    def read(self, path: str | os.PathLike[str]) -> tuple[Mapping[str, np.ndarray], str]:
        """A data file as arrays by the names of the model's inputs, and in words what they are.

        Raises:
            FileError: the file cannot be read.
            DataError: it does not fit the model, or nothing here reads such a file for it.
        """
        file, kind = Path(path), self.config.kind
        if is_table(file) and self._reads_text:
            return read_samples(self.config, file, cut=self.cut)
        if file.is_dir() or is_table(file):
            return self._pictures(file), os.fspath(path)
        if file.suffix.lower() not in KINDS:
            return read_npz(file), os.fspath(path)
        if kind in ("image", "image-hidden", "speech"):
            what = "pictures" if kind != "speech" else "sound"
            raise DataError(
                f"A {self.config.architecture} reads {what}, and this is text", file=file,
                do=f"Give an .npz with '{self.config.built.main_input_name}'.",
            )  # fmt: skip
        return read_samples(self.config, file, cut=self.cut)

    def _pictures(self, folder: Path) -> Mapping[str, np.ndarray]:
        """The images of a folder or a table, prepared as the model's folder says."""
        from qdebug.doors.images import card_of, read_images

        is_a_table = is_table(folder)
        what = "table" if is_a_table else "folder"
        if self.config.kind not in ("image", "image-hidden"):
            raise DataError(
                f"A {self.config.architecture} reads no pictures, and this is a {what}", file=folder,
                do=f"Give a {', a '.join(KINDS[:2])} or an .npz." if self._reads_text else "Give an .npz.",
            )  # fmt: skip
        classes = self.config.library.id2label
        said = classes and not all(str(name).startswith("LABEL_") for name in classes.values())
        card, known = card_of(self.config.folder), classes if said else None
        if is_a_table:
            return read_pictures(open_table(folder), card, input="pixel_values", classes=known)
        return read_images(folder, card, input="pixel_values", classes=known)

    @property
    def _reads_text(self) -> bool:
        return bool(self.config.built.main_input_name == "input_ids")

    def module(self) -> nn.Module:
        """The model with its weights, one output, and its inputs by name.

        Raises:
            FileError: weights are missing or damaged.
            ModelError: they do not fit the configuration.
        """
        model = load(self.config, self.packed)
        unfold(model)
        return with_head(model, self.config.kind)

    def blank_module(self, resident: int) -> tuple[nn.Module, StandIns] | None:
        """The model with stand-ins for weights that are to stay in their files; None where all of them are to be read.

        Args:
            resident: bytes up to which weights are held in memory, in float32. Those that the library does not take
                as they are stored are held in any case.

        Raises:
            FileError: weights are missing or damaged.
            ModelError: they do not fit the configuration.
        """
        stored = left_in_files(checkpoint(self.config.folder), self.packed, resident)
        if stored is None:
            return None
        stand_ins = StandIns(stored)
        model = load_blank(self.config, stand_ins)
        return None if model is None else (with_head(model, self.config.kind), stand_ins)

    def of_any_length(self, inputs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
        """Inputs as they may be given: of texts in any length, since the model is captured on the data's own."""
        if not self._reads_text:
            return tuple(inputs)
        return tuple(msgspec.structs.replace(spec, shape=(*spec.shape[:1], None)) for spec in inputs)

    def blank(self, module: nn.Module) -> dict[str, Tensor]:
        """Two samples of nothing, for a look at the model without data."""
        return dummy(self.config.kind, module.__dict__["whole_model"], _TOKENS)

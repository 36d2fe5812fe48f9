"""The file: what it says of the model, its tokenizer, and its tensors."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from qdebug.doors.checkpoints import Shards
from qdebug.doors.huggingface.config import read_config
from qdebug.engine import Work
from qdebug.errors import FileError
from qdebug.export.gguf.architectures import architecture_of, describe
from qdebug.export.gguf.library import gguf
from qdebug.export.gguf.tensors import Tensors, as_array
from qdebug.export.gguf.vocabulary import tell
from qdebug.export.targets import language, remarks
from qdebug.results import Exported
from qdebug.session.decided import Decided
from qdebug.whole import whole_file

TOOL = "llama.cpp"


def write_gguf(
    decided: Decided, folder: str | os.PathLike[str], path: str | os.PathLike[str], *, work: Work | None = None
) -> Exported:
    """Write a recipe that was worked out as a GGUF file; whole or not at all.

    Layers in llama.cpp's formats, and those in others whose codes and scales one of its formats has, are stored as
    blocks; all other values are stored as they were computed with, in the shortest float type that they are exact in.
    Tensors wait in a temporary file beside the target, so that no more than one is in memory.

    Args:
        decided: the recipe on the model.
        folder: the Hugging Face folder that the model came from.
        path: the file.
        work: progress and cancel.

    Raises:
        ModelError: the architecture is none that is written here.
        UsageError: the package ``gguf`` is not installed.
        FileError: the folder is not the model's, or the file cannot be written.
    """
    library, target, work = gguf(), Path(path), work or Work()
    config = read_config(Path(folder))
    architecture = architecture_of(config.architecture)
    shards = Shards(folder)
    unsaid: list[str] = []
    tensors = Tensors(decided, shards, config.library, architecture, unsaid)
    try:
        with (
            whole_file(target) as part,
            tempfile.TemporaryFile(dir=target.parent) as waiting,
            closing(library.GGUFWriter(part, architecture.name)) as writer,
        ):
            writer.use_temp_file, writer.temp_file = True, waiting
            writer.add_type("model")
            writer.add_name(Path(folder).resolve().name)
            describe(writer, config.library, architecture, unsaid)
            tell(writer, Path(folder), config.library.vocab_size, unsaid)
            count = len(shards)
            for done, (name, packed) in enumerate(tensors):
                work.step(min(done, count), count, "packing tensors")
                _add(library, writer, name, packed)
            if tensors.blocks:
                writer.add_quantization_version(library.GGML_QUANT_VERSION)
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
    except OSError as error:
        raise FileError(f"Cannot write the file: {error.strerror}", file=target, do="Choose another place.") from None
    unsaid += _on_recipe(decided)
    return Exported(path=str(target), unsaid=tuple(dict.fromkeys(unsaid)), bytes=target.stat().st_size)


def _add(library: Any, writer: Any, name: str, packed: Any) -> None:
    kind = library.GGMLQuantizationType[packed.kind.upper()]
    array = as_array(packed)
    plain = packed.kind in ("f32", "f16")
    writer.add_tensor(name, array, raw_dtype=None if plain else kind)


def _on_recipe(decided: Decided) -> list[str]:
    inputs = [layer.layer.name for layer in decided.layers if language.input_of(layer) is not None]
    said = [f"{name}: {TOOL} decides by itself how activations are quantized." for name in inputs]
    said += [
        f"{layer.layer.name}: a fix gave it a bias that the checkpoint does not have."
        for layer in decided.layers
        if layer.bias is None and layer.bias_values is not None
    ]
    return [*said, *remarks.on_points(decided, TOOL), *remarks.on_biases(decided, TOOL)]

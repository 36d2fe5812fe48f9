"""Decisions as files that deployment tools read, each with a list of what could not be said there."""

import os
from pathlib import Path

from msgspec.structs import replace

from qdebug.engine import Work
from qdebug.errors import UsageError, near
from qdebug.export.checkpoints import write_checkpoint
from qdebug.export.document import Document, json_document, save, write_whole
from qdebug.export.foretold import beforehand
from qdebug.export.gguf import write_gguf
from qdebug.export.onnx import write_onnx
from qdebug.export.target import Target
from qdebug.export.targets.aimet import aimet_1, aimet_2
from qdebug.export.targets.bitsandbytes import bitsandbytes
from qdebug.export.targets.litert import litert, tflite_debugger
from qdebug.export.targets.llama_cpp import llama_cpp
from qdebug.export.targets.llm_compressor import llm_compressor
from qdebug.export.targets.model_explorer import damage_shares, output_sqnr, weight_formats
from qdebug.export.targets.modelopt import modelopt
from qdebug.export.targets.nncf import nncf
from qdebug.export.targets.onnx_runtime import onnx_runtime
from qdebug.export.targets.quanto import quanto
from qdebug.export.targets.remarks import on_attention
from qdebug.export.targets.tensorrt import for_tensorrt, tensorrt
from qdebug.export.targets.torchao import torchao
from qdebug.recipes import Recipe
from qdebug.results import Exported, TargetCard
from qdebug.session import Session

ONNX = "onnx"
"""The target that is the model itself, quantized."""

#: Everything that can be written, by the name people type.
TARGETS: dict[str, Target] = {
    "onnxruntime": Target("ONNX Runtime: arguments of quantize_static", onnx_runtime),
    "nncf": Target("NNCF: arguments of nncf.quantize", nncf),
    "tensorrt": Target("TensorRT: layer precisions for trtexec", tensorrt),
    "aimet-1": Target("AIMET: encodings 1.0.0", aimet_1),
    "aimet-2": Target("AIMET: encodings 2.0.0", aimet_2),
    "modelopt": Target("ModelOpt: quant_cfg", modelopt),
    "litert": Target("LiteRT: recipe of ai-edge-quantizer", litert),
    "tflite-debugger": Target("TensorFlow Lite: deny lists of the quantization debugger", tflite_debugger),
    "llm-compressor": Target("llm-compressor (vLLM): recipe", llm_compressor, suffix=".yaml"),
    "torchao": Target("torchao: FqnToConfig", torchao),
    "bitsandbytes": Target("bitsandbytes: BitsAndBytesConfig", bitsandbytes),
    "quanto": Target("optimum-quanto: QuantoConfig", quanto),
    "llama-cpp": Target("llama.cpp: types for llama-quantize", llama_cpp, suffix=".txt"),
    "model-explorer": Target("Model Explorer: output SQNR of every layer", output_sqnr, "layers"),
    "model-explorer-formats": Target("Model Explorer: weight format of every layer", weight_formats),
    "model-explorer-shares": Target("Model Explorer: share of every layer in the damage", damage_shares, "shares"),
}


#: What is a folder, written from the Hugging Face folder that the model came from.
FOLDERS = {
    "compressed-tensors": "compressed-tensors: a checkpoint for vLLM and transformers",
    "gptq": "GPTQ: a checkpoint as AutoGPTQ writes it",
    "awq": "AWQ: a checkpoint as AutoAWQ writes it",
}
GGUF = "gguf"
"""The target that is the model for llama.cpp, written from the same folders."""


def cards() -> tuple[TargetCard, ...]:
    """Every kind of file and folder, the model itself first, what only a Hugging Face folder can become last."""
    others = (TargetCard(name=name, title=target.title, suffix=target.suffix) for name, target in TARGETS.items())
    folders = (TargetCard(name=name, title=title, suffix="", from_folder=True) for name, title in FOLDERS.items())
    return (
        TargetCard(name=ONNX, title="ONNX with QuantizeLinear and DequantizeLinear", suffix=".onnx"), *others, *folders,
        TargetCard(name=GGUF, title="GGUF: the model for llama.cpp", suffix=".gguf", from_folder=True),
    )  # fmt: skip


def check_target(target: str) -> None:
    """Refuse a target that is none.

    Raises:
        UsageError: it is none; the message lists near names.
    """
    known = (ONNX, *TARGETS, *FOLDERS, GGUF)
    if target not in known:
        raise UsageError(f"There is no target '{target}'", do=near(target, known))


def export_file(
    session: Session, recipe: Recipe | str, target: str, path: str | os.PathLike[str], *, work: Work | None = None
) -> Exported:
    """Write a recipe as a file; whole or not at all.

    Args:
        session: the model with its data.
        recipe: the recipe, or a preset's name.
        target: a name of :func:`cards`.
        path: the file, or a folder, where the file gets a name of its own; of a target that is a folder the new folder.
        work: progress and cancel.

    Raises:
        QDebugError: there is no such target, it cannot have this recipe, or the file cannot be written.
    """
    check_target(target)
    if target in (*FOLDERS, GGUF):
        folder = session.subject.folder
        if folder is None:
            raise UsageError(
                f"'{session.info().name}' is no Hugging Face folder, and {target} is written from one",
                do=f"Open the folder, or export to {ONNX}.",
            )
        decided, place = session.decided(recipe), Path(path)
        if target in FOLDERS:
            written = write_checkpoint(decided, folder, place, target)
        else:
            written = write_gguf(decided, folder, place / f"{folder.name}.gguf" if place.is_dir() else place, work=work)
        return replace(written, unsaid=(*written.unsaid, *on_attention(decided)))
    if target == ONNX:
        place = Path(path)
        stem = Path(session.info().name).stem
        return write_onnx(session, recipe, place / f"{stem}.quantized.onnx" if place.is_dir() else place, work=work)
    document = export(session, recipe, target)
    place = save(document, path)
    return Exported(path=str(place), unsaid=document.unsaid, bytes=len(document.content))


def export(session: Session, recipe: Recipe | str, target: str) -> Document:
    """The file of a recipe (or a preset's name) for a target.

    Raises:
        UsageError: there is no such target.
        QDebugError: the recipe does not fit the model, or the target cannot have it.
    """
    check_target(target)
    return TARGETS[target].document(session, recipe)


__all__ = [
    "FOLDERS", "GGUF", "ONNX", "TARGETS", "Document", "Target", "beforehand", "cards", "check_target", "export",
    "export_file", "for_tensorrt", "json_document", "save", "write_gguf", "write_onnx", "write_whole",
]  # fmt: skip

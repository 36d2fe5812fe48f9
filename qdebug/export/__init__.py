"""Decisions as files that deployment tools read, each with a list of what could not be said there."""

from qdebug.errors import RecipeError, near
from qdebug.export.document import Document, json_document, save, write_whole
from qdebug.export.onnx import write_onnx
from qdebug.export.target import Target
from qdebug.export.targets.aimet import aimet_1, aimet_2
from qdebug.export.targets.litert import litert, tflite_debugger
from qdebug.export.targets.model_explorer import damage_shares, output_sqnr, weight_formats
from qdebug.export.targets.modelopt import modelopt
from qdebug.export.targets.nncf import nncf
from qdebug.export.targets.onnx_runtime import onnx_runtime
from qdebug.export.targets.tensorrt import for_tensorrt, tensorrt
from qdebug.recipes import Recipe
from qdebug.session import Session

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
    "model-explorer": Target("Model Explorer: output SQNR of every layer", output_sqnr, "layers"),
    "model-explorer-formats": Target("Model Explorer: weight format of every layer", weight_formats),
    "model-explorer-shares": Target("Model Explorer: share of every layer in the damage", damage_shares, "shares"),
}


def export(session: Session, recipe: Recipe | str, target: str) -> Document:
    """The file of a recipe (or a preset's name) for a target.

    Raises:
        RecipeError: there is no such target, or it cannot have this recipe.
        QDebugError: the recipe does not fit the model.
    """
    if target not in TARGETS:
        raise RecipeError(f"There is no target '{target}'", do=near(target, TARGETS))
    return TARGETS[target].document(session, recipe)


__all__ = [
    "TARGETS", "Document", "Target", "export", "for_tensorrt", "json_document", "save", "write_onnx", "write_whole",
]  # fmt: skip

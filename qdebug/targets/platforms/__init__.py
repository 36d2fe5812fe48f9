"""The platforms, one a file."""

from __future__ import annotations

from qdebug.errors import RecipeError, near
from qdebug.targets.platform import Platform
from qdebug.targets.platforms.litert import LITERT
from qdebug.targets.platforms.llama_cpp import LLAMA_CPP
from qdebug.targets.platforms.onnx_runtime import ONNX_RUNTIME
from qdebug.targets.platforms.openvino import OPENVINO
from qdebug.targets.platforms.qnn import QNN
from qdebug.targets.platforms.tensorrt import TENSORRT

PLATFORMS: dict[str, Platform] = {one.name: one for one in (ONNX_RUNTIME, OPENVINO, TENSORRT, LITERT, QNN, LLAMA_CPP)}


def find_platform(name: str) -> Platform:
    """The platform of that name.

    Raises:
        RecipeError: there is none; the message gives near names.
    """
    try:
        return PLATFORMS[name]
    except KeyError:
        raise RecipeError(f"Unknown platform '{name}'", do=near(name, PLATFORMS)) from None

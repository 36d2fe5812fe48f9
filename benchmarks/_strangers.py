"""Light ONNX models that others made, with data: what they ship in packages, opened as files are.

Those that begin with ``light`` are test models of the package onnx: the published graphs, with constants in the place
of trained weights. Equal weights lose nothing in any format, so random ones are drawn for them (He et al.
2015), always the same. ``ch_ppocr_mobile_v2.0_cls`` is trained: whether a line of text stands on its head, from the
package rapidocr-onnxruntime. A softmax at the end is left out: errors are those of scores.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto, NodeProto, numpy_helper

from benchmarks import _minilm
from qdebug.session import Session
from qdebug.session import open as open_model

Floats = NDArray[np.float32]
_SAMPLES = 64


def opened(name: str) -> Session:
    """A model by the name of its file."""
    model, inputs = _MODELS[name](name)
    _cut(model)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.onnx")
        onnx.save(model, path)
        return open_model(path, {model.graph.input[0].name: inputs})


def _light(name: str) -> tuple[ModelProto, Floats]:
    model = onnx.load(Path(onnx.__file__).parent / "backend/test/data/light" / f"{name}.onnx")
    dice = np.random.default_rng(0)
    graph = model.graph
    held = {one.name: numpy_helper.to_array(one) for one in graph.initializer}
    constant = {node.output[0]: node for node in graph.node if node.op_type == "ConstantOfShape"}
    drawn: dict[str, Floats] = {}
    for node in graph.node:
        for place, given in enumerate(node.input):
            if given in constant and given not in drawn:
                drawn[given] = _parameter(node, place, tuple(map(int, held[constant[given].input[0]])), dice)
    for node in [constant[given] for given in drawn]:
        graph.node.remove(node)
    graph.initializer.extend(numpy_helper.from_array(value, given) for given, value in drawn.items())
    parameters = {one.name for one in graph.initializer}
    inputs = [one for one in graph.input if one.name not in parameters and one.type.tensor_type.shape.dim[1:]]
    del graph.input[:]
    graph.input.extend(inputs[:1])
    rough = dice.normal(size=(_SAMPLES, 3, 14, 14)).astype(np.float32)
    images = np.repeat(np.repeat(rough, 16, 2), 16, 3)
    return model, (images + 0.25 * dice.normal(size=images.shape)).astype(np.float32)


def _parameter(node: NodeProto, place: int, shape: tuple[int, ...], dice: np.random.Generator) -> Floats:
    """A parameter as its reader wants it: normal weights of gain one behind a ReLU, positive variances."""
    if node.op_type == "BatchNormalization" and place in (1, 4):
        return dice.uniform(0.5, 1.5, shape).astype(np.float32)
    if len(shape) > 1:
        return (dice.normal(size=shape) * np.sqrt(2 / np.prod(shape[1:]))).astype(np.float32)
    return (0.1 * dice.normal(size=shape)).astype(np.float32)


def _text(name: str) -> tuple[ModelProto, Floats]:
    found = find_spec("rapidocr_onnxruntime")
    assert found is not None and found.origin is not None
    model = onnx.load(Path(found.origin).parent / "models" / f"{name}_infer.onnx")
    return model, np.stack([_line(one, place % 2 == 1) for place, one in enumerate(_minilm.sentences(4 * _SAMPLES))])


def _line(text: str, on_its_head: bool) -> Floats:
    """A line of text as that package prepares it: ``[3, 48, 192]``, from −1 to 1."""
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("L", (192, 48), 255)
    ImageDraw.Draw(image).text((6, 8), text[:14], font=ImageFont.load_default(24), fill=0)
    values = np.asarray(image.rotate(180) if on_its_head else image, np.float32) / 127.5 - 1
    return np.repeat(values[None], 3, 0)


def _cut(model: ModelProto) -> None:
    """Leave out a softmax at the end, and shapes that are written down for values inside."""
    graph = model.graph
    del graph.value_info[:]
    makers = {given: node for node in graph.node for given in node.output}
    last = makers[graph.output[0].name]
    while last.op_type == "Identity":
        last = makers[last.input[0]]
    if last.op_type == "Softmax":
        scores = last.input[0]
        del graph.output[:]
        graph.output.append(onnx.helper.make_tensor_value_info(scores, onnx.TensorProto.FLOAT, None))


_LIGHT = ("light_squeezenet", "light_shufflenet", "light_inception_v1", "light_bvlc_alexnet", "light_zfnet512")
_MODELS: dict[str, Callable[[str], tuple[ModelProto, Floats]]] = {
    **dict.fromkeys(_LIGHT, _light),
    "ch_ppocr_mobile_v2.0_cls": _text,
}
NAMES = tuple(_MODELS)

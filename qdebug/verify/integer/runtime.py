"""Codes of every quantized value out of ONNX Runtime, with its integer kernels left in place."""

from __future__ import annotations

import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

from qdebug.errors import ModelError

_KINDS = ("QuantizeLinear", "DequantizeLinear")
_LAYOUT = frozenset({*_KINDS, "Transpose", "Reshape", "Flatten", "Identity", "Squeeze", "Unsqueeze"})


@dataclass(frozen=True)
class RuntimeCodes:
    """What the runtime computed.

    Attributes:
        codes: of every quantized value, by name.
        outputs: of the model, by name.
        kernels: how many of each operator the runtime ran, of those that compute something.
        disturbed: operators of which it would run another number had nobody asked for the codes.
    """

    codes: dict[str, np.ndarray]
    outputs: dict[str, np.ndarray]
    kernels: dict[str, int]
    disturbed: tuple[str, ...]


def runtime_codes(model: ModelProto, feeds: Mapping[str, np.ndarray]) -> RuntimeCodes:
    """Run a quantized model in ONNX Runtime on the CPU and take the codes of every value it quantizes.

    An int8 value between a QuantizeLinear and its DequantizeLinears is run as uint8 with all codes 128 higher: so does
    the runtime itself on x86-64, but not where the codes are an output of the model, and then it would compute other
    layers in floats than it does without. What it writes is shifted back.

    Args:
        model: weights included.
        feeds: inputs by name.

    Raises:
        ModelError: the runtime is not installed, or refuses the model.
    """
    wanted = [name.name for name in model.graph.output]
    exposed, shifted, added = _exposed(model)
    plain, undisturbed = _run(model, feeds, wanted)
    found, kernels = _run(exposed, feeds, [*wanted, *added])
    codes = {
        name: (found[name].astype(np.int16) - 128).astype(np.int8) if name in shifted else found[name]
        for name in [*added, *(name for name in wanted if name in coded_values(model))]
    }
    differing = {op for op in kernels.keys() | undisturbed.keys() if kernels[op] != undisturbed[op]}
    same = all(np.array_equal(plain[name], found[name], equal_nan=True) for name in wanted)
    if not same and not differing:
        differing.add("outputs")
    return RuntimeCodes(codes, {name: plain[name] for name in wanted}, dict(kernels), tuple(sorted(differing)))


def coded_values(model: ModelProto) -> dict[str, int]:
    """The names of values that are written as codes of eight bits, and their element types."""
    zeros = {one.name: one.data_type for one in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Constant" and node.attribute and node.attribute[0].name == "value":
            zeros[node.output[0]] = node.attribute[0].t.data_type
    found: dict[str, int] = {}
    for node in model.graph.node:
        place = _zero_place(node)
        if place is None:
            continue
        elem = zeros.get(node.input[place], 0) if len(node.input) > place and node.input[place] else TensorProto.UINT8
        if node.op_type == "QuantizeLinear":
            elem = next((one.i for one in node.attribute if one.name == "output_dtype" and one.i), elem)
        if elem in (TensorProto.UINT8, TensorProto.INT8):
            found[node.output[0]] = elem
    return found


def _zero_place(node: NodeProto) -> int | None:
    """Which input of a node holds the zero point of the codes that it writes."""
    if node.op_type == "QuantizeLinear":
        return 2
    if node.op_type in ("QLinearConv", "QLinearMatMul", "QLinearAdd", "QLinearMul"):
        return 7
    if node.op_type == "QGemm":
        return 8 if len(node.input) > 7 and node.input[7] else None
    if node.op_type == "QLinearConcat":
        return 1
    return 4 if node.op_type.startswith("QLinear") and node.op_type != "QLinearWhere" else None


def _exposed(model: ModelProto) -> tuple[ModelProto, set[str], list[str]]:
    """A copy in which codes are outputs; the names whose codes are 128 higher there; the names that were added."""
    copy = ModelProto()
    copy.CopyFrom(model)
    values, outputs = coded_values(model), {one.name for one in model.graph.output}
    shifted = _raised(copy, {name for name, elem in values.items() if elem == TensorProto.INT8} - outputs)
    added = [name for name in values if name not in outputs]
    for name in added:
        elem = TensorProto.UINT8 if name in shifted else values[name]
        copy.graph.output.append(onnx.helper.make_tensor_value_info(name, elem, None))
    for name in shifted:
        for info in copy.graph.value_info:
            if info.name == name:
                info.type.tensor_type.elem_type = TensorProto.UINT8
    return copy, shifted, added


def _raised(copy: ModelProto, names: set[str]) -> set[str]:
    """Make int8 values uint8 where only QuantizeLinear and DequantizeLinear touch them."""
    users: dict[str, list[NodeProto]] = defaultdict(list)
    makers: dict[str, NodeProto] = {}
    for node in copy.graph.node:
        for name in node.input:
            users[name].append(node)
        for name in node.output:
            makers[name] = node
    stored = {one.name: one for one in copy.graph.initializer}
    raised: set[str] = set()
    for name in names:
        touching = [makers[name], *users[name]]
        zeros = [node.input[2] if len(node.input) > 2 else "" for node in touching]
        if any(node.op_type not in _KINDS for node in touching) or any(zero not in stored for zero in zeros):
            continue
        for node, zero in zip(touching, zeros, strict=True):
            higher = f"{zero}~raised"
            if higher not in stored:
                value = (numpy_helper.to_array(stored[zero]).astype(np.int16) + 128).astype(np.uint8)
                stored[higher] = numpy_helper.from_array(value, higher)
                copy.graph.initializer.append(stored[higher])
            node.input[2] = higher
        raised.add(name)
    return raised


def _run(
    model: ModelProto, feeds: Mapping[str, np.ndarray], wanted: list[str]
) -> tuple[dict[str, np.ndarray], Counter[str]]:
    """Values by name, and the operators that the runtime made of the model."""
    try:
        import onnxruntime
    except ImportError:
        raise ModelError("ONNX Runtime is not installed", do="Run: pip install onnxruntime") from None
    with tempfile.TemporaryDirectory() as folder:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.optimized_model_filepath = str(Path(folder) / "optimized.onnx")
        session = _session(onnxruntime, model, Path(folder), options)
        optimized = onnx.load(options.optimized_model_filepath, load_external_data=False)
        values = session.run(wanted, dict(feeds))
    operators = Counter(node.op_type for node in optimized.graph.node if node.op_type not in _LAYOUT)
    return dict(zip(wanted, values, strict=True)), operators


def _session(onnxruntime: Any, model: ModelProto, folder: Path, options: Any) -> Any:
    file = folder / "model.onnx"
    onnx.save(model, str(file), save_as_external_data=model.ByteSize() > 2**30)
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(
            f"ONNX Runtime refuses the model: {str(error).splitlines()[0][:300]}",
            do="Check it with onnx.checker; a newer onnxruntime may know more operators.",
        ) from error

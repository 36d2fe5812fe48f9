"""Opset and format version: as old as the file's own, as new as what is said in it needs."""

from __future__ import annotations

import onnx
from onnx import ModelProto, TensorProto
from onnx.helper import find_min_ir_version_for, make_tensor_value_info

from qdebug.doors.onnx.parse import newest
from qdebug.errors import ModelError
from qdebug.export.onnx.tools import Here, Tools

_LARGE = 1 << 16
"""Bytes beyond which a stored tensor tells a conversion nothing."""


def opset_of(proto: ModelProto) -> int:
    """The version of ONNX's own operators that a model asks for."""
    return max((one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")), default=1)


def at_opset(proto: ModelProto, needed: int, tools: Tools | None = None) -> ModelProto:
    """The model at an opset that is new enough: itself where it is, else converted.

    Args:
        proto: the model.
        needed: of ONNX's own operators.
        tools: what converts it; by default in this process.

    Raises:
        ModelError: the installed onnx does not know the opset, or cannot convert the model.
    """
    now = opset_of(proto)
    if now >= needed:
        return proto
    if needed > newest():
        raise ModelError(f"This needs opset {needed}, the installed onnx knows {newest()}", do="Install a newer onnx.")
    notes = [(one.key, one.value) for one in proto.metadata_props]
    held = _lightened(proto)
    converted = (tools or Here()).convert(proto, needed)
    _restored(converted, held)
    del converted.metadata_props[:]
    for key, value in notes:
        converted.metadata_props.add(key=key, value=value)
    for one in proto.opset_import:
        if one.domain not in ("", "ai.onnx") and all(one.domain != two.domain for two in converted.opset_import):
            converted.opset_import.add(domain=one.domain, version=one.version)
    return converted


def set_format_version(proto: ModelProto) -> None:
    """The oldest version of the file format that has the model's opsets and element types; never an older one."""
    needed = int(find_min_ir_version_for(list(proto.opset_import), True))
    proto.ir_version = min(max(proto.ir_version, needed), onnx.IR_VERSION)


def _lightened(proto: ModelProto) -> dict[str, TensorProto]:
    """Turn large stored tensors into inputs: the converter copies and writes out a model, which has a limit of 2 GB."""
    graph = proto.graph
    held = {one.name: one for one in graph.initializer if len(one.raw_data) > _LARGE}
    inputs = {one.name for one in graph.input}
    kept = [one for one in graph.initializer if one.name not in held]
    for name, one in held.items():
        if name not in inputs:
            graph.input.append(make_tensor_value_info(name, one.data_type, list(one.dims)))
    del graph.initializer[:]
    graph.initializer.extend(kept)
    return held


def _restored(proto: ModelProto, held: dict[str, TensorProto]) -> None:
    """Undo :func:`_lightened`."""
    inputs = [one for one in proto.graph.input if one.name not in held]
    del proto.graph.input[:]
    proto.graph.input.extend(inputs)
    proto.graph.initializer.extend(held.values())

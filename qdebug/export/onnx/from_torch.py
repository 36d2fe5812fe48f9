"""Models that torch captured: brought to ONNX by torch's own exporter, with the session's names for their layers."""

from __future__ import annotations

import importlib.util
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import onnx
import torch
from onnx import ModelProto
from torch import Tensor
from torch.export import ExportedProgram
from torch.onnx import ONNXProgram

from qdebug.doors.module import torch_tools
from qdebug.engine import Work
from qdebug.engine.apart import apart
from qdebug.errors import ModelError
from qdebug.export.onnx.sites import node_name
from qdebug.graph import Layer, Program
from qdebug.graph.layers import find_layers
from qdebug.quantize import rows
from qdebug.session.loading import from_path
from qdebug.session.opening import open_model
from qdebug.session.session import Session

BATCH = "batch"
_CLOSE = 1e-5
"""Relative difference up to which two weights are one: the exporter folds what we fold, in another order."""


@contextmanager
def by_way_of_torch(session: Session, work: Work) -> Iterator[Session]:
    """A session of the same model as an ONNX file, with the same data and the same names of layers.

    The file lies in a folder of its own and is gone afterwards.

    Raises:
        ModelError: onnxscript is missing, torch cannot export the model, or a layer is not found again.
    """
    subject = session.subject
    exported = subject.origin
    if not isinstance(exported, ExportedProgram):
        raise ModelError(
            "This session does not know what its model was made from", do="Open the model's file, or the module itself."
        )
    if importlib.util.find_spec("onnxscript") is None:
        raise ModelError(
            "torch needs the package onnxscript to export a model to ONNX", do="pip install 'qdebug[export]'."
        )
    with tempfile.TemporaryDirectory(prefix="qdebug-") as folder:
        file = Path(folder) / "model.onnx"
        work.step(0, 2, "exporting the model with torch")
        apart(work, lambda: _exported(exported)).save(file)
        proto = onnx.load(str(file), load_external_data=False)
        _part_vectors(proto)
        _name_layers(proto, file, subject.program, subject.layers)
        if subject.program.batch is None:
            _name_batch(proto)
        file.write_bytes(proto.SerializeToString())
        work.step(1, 2, "opening what torch exported")
        few = subject.data.first(min(len(subject.data), subject.program.batch or 2))
        yield open_model(file, dict(few.inputs), dict(subject.calib.inputs), work=work)


def _exported(exported: ExportedProgram) -> ONNXProgram:
    log = logging.getLogger("torch.onnx")
    before = log.level
    with torch_tools(), torch.no_grad():
        log.setLevel(logging.ERROR)
        try:
            program = torch.onnx.export(exported, dynamo=True, verbose=False, optimize=True)
            assert program is not None
            return program
        except Exception as error:  # torch's exporter raises anything
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise ModelError(
                f"torch.onnx cannot export the model: {reason.strip()[:200]}",
                do="Export it to ONNX yourself, and open that file.",
            ) from error
        finally:
            log.setLevel(before)


def _name_layers(proto: ModelProto, file: Path, program: Program, layers: Sequence[Layer]) -> None:
    """Give the nodes of layers the names that the session has for them."""
    other = from_path(file).program
    shapes = {index: tuple(tensor.shape) for index, tensor in other.state.items()}
    names = matched(program, layers, other, find_layers(other, shapes))
    taken = set(names.values())
    for node in proto.graph.node:
        known = names.get(node_name(node))
        if known is not None:
            node.name = known
        elif node.name in taken:
            node.name = f"{node.name}/{node.op_type}"


def matched(program: Program, layers: Sequence[Layer], other: Program, others: Sequence[Layer]) -> Mapping[str, str]:
    """The names of layers by the names that they have in another program of the same model.

    A layer is the first one left, in the order of the graph, whose weight has the same name or, where the exporter has
    turned it around, the same values.

    Raises:
        ModelError: a layer is not there.
    """
    left = list(others)
    names: dict[str, str] = {}
    for layer in layers:
        if layer.is_recurrent:  # one operator there, with gates in another order
            continue
        found = next((one for one in left if _same(program, layer, other, one)), None)
        if found is None:
            raise ModelError(
                "A layer is not found again in what torch exported", layer=layer.name,
                do="Export the model to ONNX yourself, and open that file.",
            )  # fmt: skip
        left.remove(found)
        names[found.name] = layer.name
    return names


def _same(program: Program, layer: Layer, other: Program, found: Layer) -> bool:
    if layer.kind != found.kind:
        return False
    mine, its = program.state.get(layer.weight), other.state.get(found.weight)
    if mine is None or its is None or mine.numel() != its.numel():
        return False
    one, two = rows(mine, layer.out_axis), rows(its, found.out_axis)
    return one.shape == two.shape and _close(one, two)


def _close(one: Tensor, two: Tensor) -> bool:
    return torch.equal(one, two) or float((one - two).abs().max()) <= _CLOSE * float(one.abs().max())


def _part_vectors(proto: ModelProto) -> None:
    """Give every node vectors of its own: the exporter makes one of equal ones, which fixes may have to part."""
    graph = proto.graph
    vectors = {
        one.name: one for one in graph.initializer if len(one.dims) == 1 and one.data_type == onnx.TensorProto.FLOAT
    }
    taken, seen = {one.name for one in graph.initializer}, set[str]()
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name not in vectors:
                continue
            if name in seen:
                copy = next(f"{name}_{number}" for number in count(2) if f"{name}_{number}" not in taken)
                taken.add(copy)
                graph.initializer.add().CopyFrom(vectors[name])
                graph.initializer[-1].name = node.input[place] = copy
            seen.add(name)


def _name_batch(proto: ModelProto) -> None:
    """Call the size that may vary by a name that people know."""
    graph = proto.graph
    values = (*graph.input, *graph.output, *graph.value_info)
    sizes = [dim for value in values for dim in value.type.tensor_type.shape.dim]
    first = next((d.dim_param for one in graph.input for d in one.type.tensor_type.shape.dim if d.dim_param), "")
    for dim in sizes:
        if dim.dim_param == first and first:
            dim.dim_param = BATCH

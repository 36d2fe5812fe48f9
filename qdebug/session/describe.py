"""What is known of a model before anything is quantized, in plain values."""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal

import torch

from qdebug.doors import Dataset
from qdebug.doors.axes import declared_alike, fed_shape
from qdebug.doors.onnx.body import layers_inside
from qdebug.errors import written_out
from qdebug.graph import Layer, Program, norm_sites, scale_groups
from qdebug.graph.attention import Attention, cached_values, find_attentions
from qdebug.graph.filed import plain
from qdebug.graph.trace import Trace
from qdebug.quantize.finite import all_finite
from qdebug.recipes import dumps
from qdebug.results import AttentionInfo, LayerInfo, ModelInfo, Pattern, SampleCard, TensorSpec
from qdebug.session.groups import groups_of
from qdebug.session.loading import Loaded
from qdebug.session.own import is_matrix
from qdebug.session.sequences import lies_along, sequence_length

ROUNDED_ALREADY = "“Float” is this file with its weights read back from their codes: they are rounded already."


def describe(
    name: str, card: SampleCard | None, loaded: Loaded, layers: tuple[Layer, ...], traced: Trace,
    data: Dataset | None, calib: Dataset | None, calibration: str, task: str,
) -> ModelInfo:  # fmt: skip
    """The model's description; see :class:`ModelInfo`."""
    program = loaded.program
    alike = data.alike if data else declared_alike(loaded.inputs)
    same = program.alike(alike)
    said = {index for pair in program.norms.values() for index in pair}  # of the outputs, read by nothing
    parameters = [
        tensor for index, tensor in program.state.items() if tensor.dtype.is_floating_point and index not in said
    ]
    return ModelInfo(
        name=written_out(name),
        title=card.title if card else "",
        story=card.story if card else "",
        digest=program.digest,
        source=loaded.kind,
        task=task,
        inputs=tuple(TensorSpec(name=s.name, shape=fed_shape(s, alike), dtype=s.dtype) for s in loaded.inputs),
        layers=tuple(layer_info(program, layer, traced, same, sequence_length(data)) for layer in layers),
        patterns=patterns(program, layers, traced),
        params=sum(tensor.numel() for tensor in parameters),
        float_bytes=sum(tensor.numel() * tensor.element_size() for tensor in parameters),
        n_eval=len(data) if data else 0,
        n_calib=len(calib) if calib else 0,
        calibration=calibration,
        not_understood=(*loaded.unknown, *_not_run(traced), *_inside(program), *_not_understood(program, layers)),
        findings=(*_numbered(loaded), *_findings(program)),
        preset=card.preset if card else "w8a8",
        sampler=card.sampler if card else None,
        parted=_parted(data),
        runs=traced.broken is None,
        own_recipe="" if loaded.recipe is None else dumps(loaded.recipe, "json"),
        renamed=loaded.renamed,
        float_note=ROUNDED_ALREADY if _has_rounded_weights(loaded, layers) else "",
        attentions=tuple(
            attention_info(program, one, traced)
            for one in find_attentions(program, {layer.step for layer in layers}, traced.shapes)
        ),
    )


def _parted(data: Dataset | None) -> Literal["", "group", "class"]:
    found = groups_of(data)[0] if data else None
    return found.key if found else ""


def _has_rounded_weights(loaded: Loaded, layers: tuple[Layer, ...]) -> bool:
    """Whether the file holds any layer's weight in fewer bits than it is computed in here."""
    own = loaded.recipe
    return own is not None and not all(own.plan_for(one.name, one.kind).weight.is_float32 for one in layers)


def layer_info(program: Program, layer: Layer, traced: Trace, alike: Collection[int], length: int = 0) -> LayerInfo:
    """One layer in numbers.

    Args:
        program: the program.
        layer: the layer.
        traced: shapes.
        alike: the steps whose values are the same for every sample.
        length: tokens of a sample; 0 where the model reads no sequences.
    """
    shape = tuple(traced.shapes[layer.weight])
    bias = math.prod(traced.shapes[layer.bias]) if layer.bias is not None else 0
    out = shape[layer.out_axis]
    features = math.prod(shape) // max(out, 1)
    transposed = layer.op.startswith("conv-transpose")
    # of a layer that the run did not reach, nothing is known but its weight
    walked = traced.shapes.get(layer.x if transposed else layer.step)
    samples = 1 if layer.x in alike else traced.samples
    positions = math.prod(walked) // samples if walked else 0
    fan = math.prod(shape) // max(shape[0], 1) if transposed else features
    stored = program.state.get(layer.weight)
    along = layer.step not in alike and lies_along(layer, traced.shapes.get(layer.step), traced.samples, length)
    return LayerInfo(
        name=layer.name, op=layer.op, kind=layer.kind, weight_shape=shape, params=math.prod(shape) + bias,
        macs=0 if layer.kind == "embedding" else positions * fan, out_channels=out, in_features=features,
        has_bias=layer.bias is not None, weight_name=program.steps[layer.weight].name,
        input_name=program.steps[layer.x].name, weight_bits=8 * (stored.element_size() if stored is not None else 4),
        input_values=_per_sample(traced, layer.x), output_values=_per_sample(traced, layer.step),
        positions=length if along else 0,
    )  # fmt: skip


def attention_info(program: Program, one: Attention, traced: Trace) -> AttentionInfo:
    """One attention in numbers."""
    keys, values = traced.shapes[one.key], traced.shapes[one.value]
    head, tokens = (keys[-1], keys[-2]) if one.is_fused else (keys[-2], keys[-1])
    held = [
        cached_values(program, step, traced.shapes) // max(traced.samples * tokens, 1) for step in (one.key, one.value)
    ]
    return AttentionInfo(name=one.name, keys=held[0], values=held[1], head=(head, values[-1]), fused=one.is_fused)


def _per_sample(traced: Trace, step: int) -> int:
    """Values of an activation for one sample; 0 where the run did not reach it."""
    shape = traced.shapes.get(step)
    return math.prod(shape) // traced.samples if shape else 0


def patterns(program: Program, layers: tuple[Layer, ...], traced: Trace) -> tuple[Pattern, ...]:
    """Where fixes could apply, and where not and why."""
    pairs = [
        Pattern(
            kind="conv-act-conv", refused=group.refused, first=len(group.writers),
            layers=(*(layer.name for layer in group.writers), *(reader.layer.name for reader in group.readers)),
        )
        for group in scale_groups(program, layers, traced.shapes)
    ]  # fmt: skip
    sites = [
        Pattern(kind="norm-linear", layers=(site.name, *(layer.name for layer in site.layers)), refused=site.refused)
        for site in norm_sites(program, layers)
    ]
    return tuple(pairs + sites)


def _not_run(traced: Trace) -> tuple[str, ...]:
    return (f"From here on the model was not run: {traced.broken}",) if traced.broken else ()


def _inside(program: Program) -> tuple[str, ...]:
    """Layers in the bodies of control flow: nobody can say beforehand which of them run, and on what."""
    found = layers_inside(program)
    count, places = found.total(), " and ".join(sorted(+found))
    if not count:
        return ()
    what = "1 layer lies" if count == 1 else f"{count} layers lie"
    return (f"{what} in graphs inside {places}: computed as the file has them, and no recipe changes them",)


def _not_understood(program: Program, layers: tuple[Layer, ...]) -> tuple[str, ...]:
    """Operators that hold a matrix of weights but are no layers here: they stay float, and people should know."""
    known = {layer.step for layer in layers} | {layer.weight for layer in layers} | {layer.loop for layer in layers}
    words: list[str] = []
    for step in program.steps:
        if step.kind != "op" or step.index in known or program.constant[step.index]:
            continue
        for source in program.sources[step.index]:
            tensor = program.state.get(source)
            if tensor is not None and is_matrix(tensor) and tensor.dtype.is_floating_point:
                words.append(f"{step.op} reads {program.steps[source].name} {list(tensor.shape)} and stays float")
    return tuple(words)


def _numbered(loaded: Loaded) -> tuple[str, ...]:
    """What becomes of nodes that share a name."""
    if not loaded.renamed:
        return ()
    count = len(loaded.renamed)
    who = "A node of the file has another's name" if count == 1 else f"{count} nodes of the file have others' names"
    return (f"{who}, which ONNX Runtime refuses; here, and in what is exported: {_some(loaded.renamed)}",)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def _findings(program: Program) -> tuple[str, ...]:
    words: list[str] = []
    for index, given in program.state.items():
        tensor = plain(given)
        if not all_finite(tensor):
            nan, inf = int(torch.isnan(tensor).sum()), int(torch.isinf(tensor).sum())
            # A mask of -inf that softmax reads is how attention is written, not a fault.
            if nan or not program.steps[index].name.endswith("mask"):
                words.append(f"{program.steps[index].name} {list(tensor.shape)} holds {nan} NaN and {inf} Inf")
    return tuple(words)

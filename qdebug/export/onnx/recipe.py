"""A recipe put into a graph."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from onnx import ModelProto, NodeProto, TensorProto

from qdebug.errors import ModelError
from qdebug.export.onnx.activations import Activations, Through
from qdebug.export.onnx.constants import replace_all
from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.layers import LayerForm, Layers, form_of
from qdebug.export.onnx.norms import fold_norm
from qdebug.export.onnx.notes import Notes
from qdebug.export.onnx.opsets import at_opset
from qdebug.export.onnx.sites import Site, find_site, node_name, without_addition
from qdebug.export.onnx.tensors import tensor
from qdebug.export.onnx.tools import Tools
from qdebug.session.decided import Decided

INSIDE = "These layers lie inside operators that do more than a layer does, and stay in float in the file"
HIDDEN = "These values lie inside an operator of the file and stay in float there"


def with_recipe(
    proto: ModelProto, decided: Decided, known: Collection[str], notes: Notes, tools: Tools | None = None
) -> tuple[Editor, dict[str, str]]:
    """A model's graph with a recipe in it, and the values that go by another name in it than in the program.

    Args:
        proto: the float model; changed in place.
        decided: the recipe, worked out.
        known: names of all values in the session's program.
        notes: gets what cannot be said.
        tools: what converts the model to a newer opset; by default in this process.

    Raises:
        ModelError: the opset that it needs cannot be reached, or a fix has changed what is not in the file.
    """
    half = _computes_in_half(decided)
    forms = [form_of(layer, notes) for layer in decided.layers]
    points = [(point.name, Through(point.plan, point.grid)) for point in decided.points]
    needed = [form.opset for form in forms] + [how.opset or 1 for _, how in points]
    editor = Editor(at_opset(proto, max(needed, default=1), tools))
    sites = _sites(editor, forms, decided, notes)
    moved = {before: site.output for site, _ in sites if (before := fold_norm(editor, site, known))}
    folded = set(moved.values())
    changed = [site.output in folded or _is_replaced(form, decided) for site, form in sites]
    sites = [
        (without_addition(editor, site) if new or form.decided.is_quantized else site, form)
        for (site, form), new in zip(sites, changed, strict=True)
    ]
    _replace(editor, decided, half=half)
    activations = Activations(editor, notes, half=half)
    for name, how in points:
        value = moved.get(name, name)
        if editor.knows(value):
            activations.point(value, how)
        else:
            notes.add(HIDDEN, name)
    layers = Layers(editor, activations)
    wanted = [layers.replacements(*one, new) for one, new in zip(sites, changed, strict=True)]
    replace_all(editor, [one for several in wanted for one in several])
    for site, form in sites:
        layers.missing_bias(site, form)
        layers.input(site, form)
    return editor, moved


def _computes_in_half(decided: Decided) -> bool:
    """Whether the model computes in float16; then values are cast to float32 to be rounded, and back.

    Raises:
        ModelError: it is to be changed, and computes in other floats, or in several.
    """
    kinds = {layer.values.dtype for layer in decided.layers}
    changed = any(layer.is_quantized for layer in decided.layers) or decided.points or decided.replaced
    if changed and kinds not in ({torch.float32}, {torch.float16}):
        words = " and ".join(sorted(str(kind).removeprefix("torch.") for kind in kinds))
        raise ModelError(
            f"The model computes in {words}; a recipe is written into models of float32 or of float16",
            do="Export the model in float32, and open that file.",
        )
    return kinds == {torch.float16}


def _sites(
    editor: Editor, forms: Sequence[LayerForm], decided: Decided, notes: Notes
) -> list[tuple[Site, LayerForm]]:  # fmt: skip
    """Where the layers are; those that are nowhere stay in float, which is noted."""
    nodes: dict[str, list[NodeProto]] = {}
    for node in editor.nodes:
        nodes.setdefault(node_name(node), []).append(node)
    found: list[tuple[Site, LayerForm]] = []
    for form in forms:
        site = find_site(editor, nodes, form.decided)
        if site is not None:
            found.append((site, form))
        elif form.decided.is_quantized or _is_replaced(form, decided):
            notes.add(INSIDE, form.decided.layer.name)
    return found


def _names(form: LayerForm) -> set[str | None]:
    return {form.decided.weight.name, form.decided.bias}


def _is_replaced(form: LayerForm, decided: Decided) -> bool:
    """Whether a fix has changed what a layer stores, or given it a bias."""
    layer = form.decided
    return not _names(form).isdisjoint(decided.replaced) or (layer.bias is None and layer.bias_values is not None)


def _replace(editor: Editor, decided: Decided, *, half: bool) -> None:
    """Write what fixes have changed and no layer stores: scales of normalizations, for instance."""
    stored = {name for layer in decided.layers for name in (layer.weight.name, layer.bias)}
    replaced: Mapping[str, object] = decided.replaced
    for name in replaced:
        if name in stored:
            continue
        if not editor.knows(name):
            raise ModelError(
                f"A fix has changed '{name}', which the file does not hold by that name", do="Leave the fix out."
            )
        editor.vacate(name)
        editor.store(tensor(name, decided.replaced[name], TensorProto.FLOAT16 if half else TensorProto.FLOAT))

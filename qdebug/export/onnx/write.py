"""A recipe written into the ONNX file that the model came from."""

from __future__ import annotations

import json
import os
from pathlib import Path

from msgspec.structs import replace
from onnx import ModelProto

import qdebug
from qdebug.engine import Work
from qdebug.errors import ModelError
from qdebug.export.onnx.edit import Editor
from qdebug.export.onnx.notes import Notes
from qdebug.export.onnx.opsets import opset_of, set_format_version
from qdebug.export.onnx.recipe import with_recipe
from qdebug.export.onnx.save import refuse_source, save
from qdebug.export.onnx.source import float_strange, read_source, read_strange
from qdebug.export.onnx.tools import Apart, Here, Tools, Unchecked
from qdebug.export.target import cells_stay_float
from qdebug.export.targets.remarks import inside_attention, on_attention
from qdebug.recipes import AttentionPlan, Recipe, as_recipe, set_layers, to_plain
from qdebug.recipes.attention import in_words
from qdebug.recipes.plan import FLOAT_ATTENTION, FLOAT_LAYER
from qdebug.results import Exported
from qdebug.session import Session
from qdebug.session.handover import hand_over

NUMBERED = "Nodes whose name another node of the original has too are numbered in the file"


def write_onnx(
    session: Session, recipe: Recipe | str, path: str | os.PathLike[str], *, work: Work | None = None
) -> Exported:
    """Write a model with a recipe as an ONNX file that computes what the session does.

    A model that came as an ONNX file keeps its graph and all its names; pairs of QuantizeLinear and DequantizeLinear
    are put in, and new names are made of old ones. A model that torch captured is exported by ``torch.onnx`` first.

    Args:
        session: the model with its data.
        recipe: the recipe, or a preset's name.
        path: where to.
        work: progress and cancel.

    Raises:
        FileError: the file cannot be written, would overwrite its source, or the source has changed.
        ModelError: the model cannot be written as ONNX, or not at the opset that the recipe needs.
        RecipeError: the recipe does not fit the model.
    """
    recipe, target, work = as_recipe(recipe), Path(path), work or Work()
    origin = session.subject.origin
    notes = metadata(session, recipe)
    if isinstance(origin, Path):
        return write_edited(session, recipe, target, notes, work)
    if origin is None:
        raise ModelError(
            "A model whose weights stay in their files is not written as ONNX", file=session.subject.folder,
            do="Write it as compressed-tensors, gptq, awq or gguf; or, with the memory for it, open it with "
            "QDEBUG_WEIGHT_BYTES set above its size.",
        )  # fmt: skip
    from qdebug.export.onnx.from_torch import by_way_of_torch

    inside = [one for one in session.subject.layers if one.is_recurrent]
    left = replace(recipe, layers=tuple(one for one in recipe.layers if one[0] not in {layer.name for layer in inside}))
    with by_way_of_torch(session, work) as other:
        hand_over(session, other, recipe, work)
        theirs = {one.name: FLOAT_LAYER for one in other.subject.layers if one.is_recurrent}
        written = replace(set_layers(left, theirs), model=None, attention=_left(recipe, other))
        exported = write_edited(other, written, target, notes, work)
    plans = {one.name: recipe.plan_for(one.name, one.kind) for one in inside}
    unsaid = cells_stay_float([name for name, plan in plans.items() if plan != FLOAT_LAYER])
    if written.attention != recipe.attention:
        unsaid = (*unsaid, inside_attention(in_words(recipe.attention)))
    batch = session.subject.program.batch
    if batch is not None:
        unsaid = (f"The file takes {batch} samples at a time, no more and no fewer", *unsaid)
    return replace(exported, unsaid=(*unsaid, *exported.unsaid))


def _left(recipe: Recipe, other: Session) -> AttentionPlan:
    """A recipe's plan of attention, for a model in which attentions may have become what nobody recognizes."""
    return recipe.attention if other.subject.attentions else FLOAT_ATTENTION


def write_unchanged(session: Session, path: Path, *, work: Work) -> Exported:
    """Write the model of a stranger's file as it is, with the recipe in it where it was quantized.

    The file itself is handed to nobody: what is written is what the process that read it has found there. It is not
    held against the specification, since runtimes take more.

    Raises:
        FileError: it cannot be written, or the source has changed.
    """
    source = session.subject.origin
    assert isinstance(source, Path)
    refuse_source(path, [source])
    proto, _ = read_strange(source, session.info().digest, work.check)
    size = save(proto, path, outside=False, tools=Unchecked())
    return Exported(path=str(path), opset=opset_of(proto), bytes=size)


def tools_for(session: Session, work: Work) -> Tools:
    """What checks and converts a session's model."""
    source = session.subject.origin
    if session.subject.is_strange and isinstance(source, Path):
        return Apart(source.name, work.check)
    return Here()


def metadata(session: Session, recipe: Recipe) -> dict[str, str]:
    """What the file says of its making."""
    plain = json.dumps(to_plain(recipe), separators=(",", ":"))
    digest = session.info().digest
    return {"qdebug.recipe": plain, "qdebug.digest": digest, "qdebug.version": qdebug.__version__}


def write_edited(session: Session, recipe: Recipe, target: Path, metadata: dict[str, str], work: Work) -> Exported:
    """Write the model of a session that came from an ONNX file; see :func:`write_onnx`."""
    source = session.subject.origin
    assert isinstance(source, Path)
    refuse_source(target, [source])
    decided = session.decided(recipe, work)
    work.step(0, 3, "reading the model")
    strange, digest = session.subject.is_strange, session.info().digest
    proto, files = float_strange(source, digest, work.check) if strange else read_source(source, digest)
    tools = tools_for(session, work)
    refuse_source(target, files)
    names = Editor(proto).names()
    work.step(1, 3, "writing the recipe into its graph")
    known = {step.name for step in session.subject.program.steps}
    notes = Notes()
    for name in session.info().renamed:
        notes.add(NUMBERED, name)
    for sentence in on_attention(decided):
        notes.add(sentence)
    editor, renamed = with_recipe(proto, decided, known, notes, tools)
    model = editor.finish()
    _set_metadata(model, metadata)
    _set_ranks(model, session)
    set_format_version(model)
    work.step(2, 3, "writing the file")
    size = save(model, target, outside=len(files) > 1 and not strange, tools=tools)
    gone = names - editor.names()
    return Exported(
        path=str(target), opset=editor.opset, added=editor.added, gone=tuple(sorted(gone)), renamed=renamed,
        unsaid=notes.sentences(),
        bytes=size,
    )  # fmt: skip


def _set_metadata(model: ModelProto, metadata: dict[str, str]) -> None:
    kept = [(one.key, one.value) for one in model.metadata_props if one.key not in metadata]
    del model.metadata_props[:]
    for key, value in (*kept, *metadata.items()):
        model.metadata_props.add(key=key, value=value)


def _set_ranks(model: ModelProto, session: Session) -> None:
    """Say how many axes an output has where the original does not: runtimes do without, ``onnx.checker`` does not."""
    program, shapes = session.subject.program, session.subject.shapes
    for output in model.graph.output:
        tensor = output.type.tensor_type
        if output.type.HasField("tensor_type") and not tensor.HasField("shape") and output.name in program.outputs:
            rank = len(shapes.get(program.outputs[output.name], ()))
            tensor.shape.SetInParent()
            for _ in range(rank):
                tensor.shape.dim.add()

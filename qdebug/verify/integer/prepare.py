"""What ONNX Runtime does to a QDQ graph before it looks for integer kernels, on the way to the same groups.

Sources: its graph transformers ``ReluQuantFusion``, ``ClipQuantFusion``, ``MatMulAddFusion``, ``QDQPropagation`` and
the eliminations of nodes that do nothing; each was checked against the graphs that version 1.31.1 saves.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

from qdebug.doors.onnx.ir import Node
from qdebug.quantize.integer.requantize import limits
from qdebug.verify.integer.draft import MOVES, OWN, Codes, Draft, Grid, same_node

DROPPED = MOVES | {"Flatten", "Expand", "Tile", "DepthToSpace", "Gather"}
"""What runs on codes where its input and its output have the same scale."""
_EPSILON = float(torch.finfo(torch.float32).eps)


def prepare(draft: Draft, shapes: Mapping[str, tuple[int, ...]], fixed: bool) -> set[str]:
    """Bring a graph into the form that groups are looked for in.

    Args:
        draft: the graph; its nodes are exchanged.
        shapes: sizes of values, as far as they are known.
        fixed: whether the file fixes all sizes.

    Returns:
        names of products that the runtime leaves in floats, since what it put between them and their scale hides it.
    """
    _drop_identities(draft)
    _join_twins(draft)
    hidden = _join_biases(draft, shapes, fixed)
    _drop_clips(draft)
    _scales_forward(draft)
    _scales_backward(draft)
    return hidden


def _rewired(nodes: tuple[Node, ...], names: Mapping[str, str]) -> list[Node]:
    """Nodes that read other values than before."""
    return [same_node(node, inputs=tuple(names.get(name, name) for name in node.inputs)) for node in nodes]


def _drop_identities(draft: Draft) -> None:
    """Leave out Identity and, since inference it is, Dropout."""
    names: dict[str, str] = {}
    kept = []
    for node in draft.nodes:
        plain = node.op in ("Identity", "Dropout") and not node.domain
        if plain and node.outputs[0] not in draft.outputs and not any(node.outputs[1:]) and _at_top(draft, node):
            names[node.outputs[0]] = names.get(node.inputs[0], node.inputs[0])
        else:
            kept.append(same_node(node, inputs=tuple(names.get(name, name) for name in node.inputs)))
    draft.set(kept)


def _join_twins(draft: Draft) -> None:
    """Leave one of several QuantizeLinear that read the same value and have the same scale."""
    first: dict[str, list[tuple[Node, Grid]]] = {}
    names: dict[str, str] = {}
    for node in draft.nodes:
        grid = draft.grid(node) if node.op == "QuantizeLinear" and node.domain in OWN else None
        if grid is None or node.outputs[0] in draft.outputs:
            continue
        known = first.setdefault(node.inputs[0], [])
        twin = next((one for one, other in known if other.elem == grid.elem and other.same(grid)), None)
        if twin is None:
            known.append((node, grid))
        else:
            names[node.outputs[0]] = twin.outputs[0]
    if names:
        draft.set(_rewired(tuple(node for node in draft.nodes if node.outputs[0] not in names), names))


def _at_top(draft: Draft, node: Node) -> bool:
    """Whether nobody in a body reads a node's output."""
    return all(node.outputs[0] in user.inputs for user in draft.users[node.outputs[0]])


def _drop_clips(draft: Draft) -> None:
    """Leave out a Relu or Clip whose only reader is a QuantizeLinear that clips as much."""
    names: dict[str, str] = {}
    gone: set[str] = set()
    for node in draft.nodes:
        if node.op in ("Relu", "Clip") and not node.domain:
            found = draft.written(node.outputs[0])
            if found is not None and _clips_less(draft, node, found[1].grid):
                names[node.outputs[0]] = node.inputs[0]
                gone.add(node.outputs[0])
    if gone:
        draft.set(_rewired(tuple(node for node in draft.nodes if node.outputs[0] not in gone), names))


def _clips_less(draft: Draft, node: Node, grid: Grid) -> bool:
    """Whether codes cannot tell that a Relu or Clip is missing."""
    low, high = limits(grid.zeros.dtype)
    scale, zero = grid.scales.reshape(()), grid.zeros.reshape(()).float()
    if node.op == "Relu":
        return int(zero) == low
    bounds = []
    for place, name, usual in ((1, "min", -torch.inf), (2, "max", torch.inf)):
        given = node.inputs[place] if place < len(node.inputs) else ""
        stored = draft.value(given) if given else None
        if given and stored is None:
            return False
        attribute = node.attributes.get(name, usual)
        bounds.append(float(stored) if stored is not None else float(attribute))  # type: ignore[arg-type]
    lowest, highest = float((low - zero) * scale), float((high - zero) * scale)
    return bounds[0] - lowest <= _EPSILON and highest - bounds[1] <= _EPSILON


def _join_biases(draft: Draft, shapes: Mapping[str, tuple[int, ...]], fixed: bool) -> set[str]:
    """Make a MatMul by a stored matrix and an Add of a stored row one Gemm.

    With more axes than two the runtime does it only where all sizes are fixed, and puts Reshapes around; behind those
    it finds the scale only if it follows at once.
    """
    hidden: set[str] = set()
    joined: dict[str, Node] = {}
    gone: set[str] = set()
    for node in draft.nodes:
        add = draft.only_user(node.outputs[0]) if node.op == "MatMul" and not node.domain else None
        if add is None or add.op != "Add" or add.domain:
            continue
        bias = add.inputs[1] if add.inputs[0] == node.outputs[0] else add.inputs[0]
        left, right, row = (_shape(draft, name, shapes) for name in (*node.inputs, bias))
        if right is None or len(right) != 2 or row is None or left is None or not _is_stored(draft, bias):
            continue
        flat = len(left) == 2
        if row != (right[1],) and not (flat and len(row) == 2 and row[1] == right[1]):
            continue
        if not flat and not fixed:
            continue
        reader = draft.only_user(add.outputs[0])
        if not flat and (reader is None or reader.op != "QuantizeLinear"):
            hidden.add(add.outputs[0])
        joined[add.outputs[0]] = Node(node.name, "Gemm", "", (*node.inputs, bias), add.outputs, {})
        gone.add(node.outputs[0])
    nodes = [joined.get(node.outputs[0], node) for node in draft.nodes if node.outputs[0] not in gone]
    draft.set(nodes)
    return hidden


def _is_stored(draft: Draft, name: str) -> bool:
    maker = draft.makers.get(name)
    return name in draft.stored or (
        maker is not None and maker.op == "DequantizeLinear" and maker.inputs[0] in draft.stored
    )


def _shape(draft: Draft, name: str, shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...] | None:
    maker = draft.makers.get(name)
    source = maker.inputs[0] if maker is not None and maker.op == "DequantizeLinear" else name
    return draft.stored[source].shape if source in draft.stored else shapes.get(name)


def _scales_forward(draft: Draft) -> None:
    """Let what moves values move codes where they come from a DequantizeLinear, which goes behind it."""
    nodes: list[Node] = []
    made: dict[str, Node] = {node.outputs[0]: node for node in draft.nodes if node.op == "DequantizeLinear"}
    for node in draft.nodes:
        source = made.get(node.inputs[0]) if _moves(node) else None
        if source is None or source.inputs[0] in draft.stored or not _is_plain(draft, source):
            nodes.append(node)
            continue
        reader = draft.only_user(node.outputs[0])
        if reader is not None and reader.op == "QuantizeLinear":
            nodes.append(node)
            continue
        codes = draft.free(f"{node.outputs[0]}~codes")
        nodes.append(same_node(node, inputs=(source.inputs[0], *node.inputs[1:]), outputs=(codes,)))
        made[node.outputs[0]] = same_node(
            source, name=f"{node.name}~", inputs=(codes, *source.inputs[1:]), outputs=node.outputs
        )
        nodes.append(made[node.outputs[0]])
    draft.set(nodes)


def _moves(node: Node) -> bool:
    return node.op in MOVES and not node.domain and len(node.outputs) == 1


def _is_plain(draft: Draft, node: Node) -> bool:
    """Whether a QuantizeLinear or DequantizeLinear has one stored scale of eight bits."""
    grid = draft.grid(node) if node.domain in OWN else None
    return grid is not None and grid.is_one and grid.elem in (2, 3)


def _scales_backward(draft: Draft) -> None:
    """Let what moves values move codes where a QuantizeLinear follows, which goes before it."""
    while True:
        for node in draft.nodes:
            if _moves(node) and _behind(draft, node) is not None:
                _move_back(draft, node)
                break
        else:
            return


def _behind(draft: Draft, node: Node) -> tuple[Node, Codes] | None:
    source = draft.makers.get(node.inputs[0])
    if node.inputs[0] in draft.stored or (source is not None and source.op == "DequantizeLinear"):
        return None
    return draft.written(node.outputs[0]) if draft.only_user(node.inputs[0]) is node else None


def _move_back(draft: Draft, node: Node) -> None:
    found = _behind(draft, node)
    assert found is not None
    quantize, _ = found
    codes = draft.free(f"{node.inputs[0]}~codes")
    before = same_node(
        quantize, name=f"{quantize.name}~", inputs=(node.inputs[0], *quantize.inputs[1:]), outputs=(codes,)
    )
    moved = same_node(node, inputs=(codes, *node.inputs[1:]), outputs=quantize.outputs)
    nodes: list[Node] = []
    for one in draft.nodes:
        if one is node:
            nodes += [before, moved]
        elif one is not quantize:
            nodes.append(one)
    draft.set(nodes)

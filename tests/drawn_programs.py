"""Programs with any number of layers, sums and other operators, wired at random; nothing in them can be run."""

from __future__ import annotations

from hypothesis import strategies as st

from qdebug.graph.layers import Layer
from qdebug.graph.program import Program, Ref, Step

WORDS = ("blocks", "attn", "mlp", "0", "1", "2", "head")


def layer(name: str, step: int) -> Layer:
    return Layer(
        name=name, op="linear", kind="matmul", step=step, x=0, weight=0, bias=None, x_argument=0, weight_argument=1,
        bias_argument=None, out_axis=0, in_axis=1, groups=1, channel_axis=-1,
    )  # fmt: skip


def program(ops: list[tuple[str, list[int], str]], inputs: int = 1) -> tuple[Program, tuple[Layer, ...]]:
    """A program of these operators: ``layer`` or an ATen operator's name, what each reads, its module or name."""
    steps = [Step(index, "input", f"x{index}") for index in range(inputs)]
    layers: list[Layer] = []
    for op, reads, module in ops:
        index = len(steps)
        name = "aten.linear.default" if op == "layer" else f"aten.{op}.default"
        args = tuple(Ref(read) for read in reads)
        steps.append(Step(index, "op", f"step{index}", op=name, args=args, module=module))
        if op == "layer":
            layers.append(layer(module, index))
    names = {step.name: step.index for step in steps if step.kind == "input"}
    return Program(tuple(steps), names, len(steps) - 1, {}), tuple(layers)


@st.composite
def programs(draw, most: int = 40) -> tuple[Program, tuple[Layer, ...]]:
    """Up to so many operators; layers have names of one to three parts, each name once."""
    inputs = draw(st.integers(1, 2))
    ops: list[tuple[str, list[int], str]] = []
    for at in range(draw(st.integers(1, most))):
        index = inputs + at
        op = draw(st.sampled_from(("layer", "layer", "relu", "view", "add")))
        near = st.integers(max(0, index - 4), index - 1)
        reads = [draw(near)] if op != "add" else [draw(near), draw(st.integers(0, index - 1))]
        path = draw(st.lists(st.sampled_from(WORDS), max_size=2))
        ops.append((op, reads, ".".join([*path, f"l{index}"] if op == "layer" else path)))
    return program(ops, inputs)


def tower(count: int, *, flat: bool = False) -> tuple[Program, tuple[Layer, ...]]:
    """A network of so many layers, two to a residual block; ``flat`` without modules in the names."""
    ops: list[tuple[str, list[int], str]] = []
    stream = 0
    for at in range(count // 2):
        index = 1 + len(ops)
        path, stage = f"blocks.{at}", f"{2 * at}"
        ops += [
            ("layer", [stream], f"conv{stage}" if flat else f"{path}.expand"),
            ("relu", [index], "" if flat else path),
            ("layer", [index + 1], f"conv{stage}b" if flat else f"{path}.project"),
            ("add", [stream, index + 2], "" if flat else path),
        ]
        stream = index + 3
    return program(ops)

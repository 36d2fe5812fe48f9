"""Layers rounded in the order of the graph, each on the inputs that those before it leave it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import torch
from torch import Tensor

from qdebug.engine import Rounded
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.inputs import Design, hessians, in_waves
from qdebug.quantize import Grid
from qdebug.quantize.columns import row_grid

Seen = TypeVar("Seen")


def round_in_waves(
    bench: Bench,
    title: str,
    look: Callable[[Bench, Sequence[Design]], Mapping[int, Seen]],
    rounded: Callable[[Problem, Seen], Rounded],
) -> Bench:
    """Round every layer of the bench, those that read the same value together.

    Args:
        bench: the model as earlier fixes left it.
        title: the method's name, for progress.
        look: what is learned of the inputs of some layers, by the layer's step.
        rounded: a layer's answer from that.

    Returns:
        The bench with rounded weights.

    Raises:
        NumericError: an input holds NaN or Inf.
    """
    waves = in_waves(bench.engine, bench.layers)
    for done, wave in enumerate(waves):
        bench.work.step(done, len(waves), f"rounding {wave[0].layer.name} by {title}")
        seen = dict(look(bench, wave))
        layers = [design.layer for design in wave]
        bench = bench.with_rounded({one.step: rounded(bench.problem(one), seen.pop(one.step)) for one in layers})
    return bench


def round_by_hessians(bench: Bench, title: str, rounded: Callable[[Problem, Tensor], Rounded]) -> Bench:
    """Round every layer of the bench from the Hessian of its inputs, ``[groups, C, C]``; see :func:`round_in_waves`."""
    return round_in_waves(
        bench, title, lambda now, wave: hessians(now.engine, wave, now.sheet, now.batches, now.work), rounded
    )


def round_groups(
    problem: Problem, moments: Sequence[Tensor], one: Callable[..., tuple[Tensor, Grid]]
) -> tuple[Tensor, list[Grid]]:  # fmt: skip
    """The rows of a layer rounded group by group: those of a group share its moments.

    Args:
        problem: the layer.
        moments: of its inputs, each ``[groups, C, C]``, as they come.
        one: takes a group's weight ``[R / groups, C]``, its grid, and its moments in the problem's basis.

    Returns:
        All rows ``[R, C]``, and the grids of the groups.
    """
    turned = [problem.in_basis(moment) for moment in moments]
    each = len(problem.weight) // len(turned[0])
    found = []
    for group, own in enumerate(zip(*turned, strict=True)):
        part = slice(group * each, (group + 1) * each)
        found.append(one(problem.weight[part], row_grid(problem.grid, part), *own))
    return torch.cat([values for values, _ in found]), [grid for _, grid in found]

"""AdaQuant's step of a layer's input, learned together with the weights that multiply it.

Hubara, Nahshan, Hanani, Banner, Soudry 2020 (arXiv:2006.10518), equation 2: ``‖W X − Q(W + V) · Q_Δx(X)‖²`` is made
small over V, the weight's step and Δx.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from qdebug.engine import LayerQuant, Work
from qdebug.methods.adam import Adam
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.inputs import Design, inputs
from qdebug.methods.learned_steps import LearnedStep, learned_steps
from qdebug.recipes.fixes import AdaQuant

MOST = 2**22
"""Values of a layer's input and of its outputs together that are kept of its rows."""
BATCH = 256
"""Rows per step of the descent."""


class Moving(Protocol):
    """A weight on its way: what it is rounded to now, and a step down a slope at that."""

    def values(self) -> Tensor:
        """The weights now, rounded, ``[R, C]``."""
        ...

    def step(self, slope: Tensor, values: Tensor, part: float) -> None:
        """Go down a slope at the values, by a part of the usual step size."""
        ...


@dataclass(frozen=True)
class Example:
    """A layer's rows.

    Attributes:
        design: the layer.
        seen: what it reads, not quantized, ``[groups, n, C]``.
        wanted: what the float layer makes of the float model's input, ``[groups, n, R / groups]``.
    """

    design: Design
    seen: Tensor
    wanted: Tensor


def learned_inputs(
    bench: Bench, wave: Sequence[Design], problems: Sequence[Problem], fix: AdaQuant, start: Callable[[Problem], Moving]
) -> dict[int, LayerQuant]:  # fmt: skip
    """How layers that read one value would quantize it, by step: with steps learned beside their weights.

    Args:
        bench: the model as it stands.
        wave: the layers.
        problems: their weights.
        fix: the parameters.
        start: where a layer's weight begins.

    Returns:
        Nothing for inputs without one static step in integers, nor where values between layers are quantized: their
        steps hang together over the model.
    """
    if not fix.steps or bench.held or not fix.iterations:
        return {}
    steps = learned_steps(bench.quants, {design.layer.step: design.layer.x for design in wave})
    chosen = [
        (design, problem) for design, problem in zip(wave, problems, strict=True)
        if design.layer.step in steps and problem.basis is None
    ]  # fmt: skip
    if not chosen:
        return {}
    examples = _examples(bench, [one for one, _ in chosen], [one for _, one in chosen], fix.sequential)
    moving = [start(problem) for _, problem in chosen]
    alone = {id(one): one for one in steps.values()}
    for one in alone.values():
        places = [place for place, (design, _) in enumerate(chosen) if steps[design.layer.step] is one]
        learn_step(one, [examples[place] for place in places], [moving[place] for place in places], fix, bench.work)
    return {
        design.layer.step: replace(
            bench.quants[design.layer.step], activation=steps[design.layer.step].grid()
        ) for design, _ in chosen
    }  # fmt: skip


def learn_step(
    step: LearnedStep, examples: Sequence[Example], moving: Sequence[Moving], fix: AdaQuant, work: Work | None = None
) -> None:  # fmt: skip
    """Move the step, and the weights of the layers that read with it, down the error of their outputs on rows.

    Each step of the descent looks at a batch of rows, the same of all layers. With ``bias`` the mean of each output
    over the batch is left out, which the bias can make right. Step sizes fall to zero along a cosine.

    Args:
        step: is changed in place.
        examples: the layers' rows.
        moving: their weights; they are moved too.
        fix: the parameters.
        work: cancel.
    """
    work = work or Work()
    count = min(one.seen.shape[1] for one in examples)
    size = min(BATCH, count)
    adam = Adam(step.stretch.detach(), fix.step_rate)
    for turn in range(fix.iterations):
        work.check()
        first = turn % max(1, count // size) * size
        part = 0.5 + 0.5 * math.cos(math.pi * turn / fix.iterations)
        pull = torch.zeros(())
        for example, weight in zip(examples, moving, strict=True):
            values = weight.values()
            slope, own = slopes(step, example, values, slice(first, first + size), centred=fix.bias)
            weight.step(slope, values, part)
            pull = pull + own
        adam.step(pull, fix.step_rate * part)


def slopes(
    step: LearnedStep, example: Example, values: Tensor, part: slice, *, centred: bool
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """The gradients of the mean squared change of a layer's outputs on some rows, at its weights and at the stretch."""
    leaf = values.detach().requires_grad_()
    with torch.enable_grad():
        off = example.design.products(step(example.seen[:, part]), leaf) - example.wanted[:, part]
        if centred:
            off = off - off.mean(1, keepdim=True)
        loss = off.square().sum() / off.shape[1]
        slope, pull = torch.autograd.grad(loss, [leaf, step.stretch])
    return slope, pull


def _examples(
    bench: Bench, designs: Sequence[Design], problems: Sequence[Problem], sequential: bool
) -> list[Example]:  # fmt: skip
    """Rows of all calibration batches, the same of every layer, chosen and put in order by the dice."""
    dice = torch.Generator().manual_seed(designs[0].layer.step)
    groups = max(one.groups for one in designs)
    widest = max(groups * one.weight.shape[1] + len(one.weight) for one in problems)
    share = max(1, MOST // widest // len(bench.batches))
    seen_on = bench.sheet if sequential else bench.reference
    parts: list[list[tuple[Tensor, Tensor]]] = [[] for _ in designs]
    places = {design.layer.step: place for place, design in enumerate(designs)}
    for batch in bench.batches:
        plain = {one.layer.step: x for one, x in inputs(bench.engine, designs, bench.reference, batch, bench.work, {})}
        chosen: dict[int, Tensor] = {}
        for one, x in inputs(bench.engine, designs, seen_on, batch, bench.work, {}):
            at = chosen.setdefault(x.shape[1], torch.randperm(x.shape[1], generator=dice)[:share])
            place = places[one.layer.step]
            wanted = one.products(plain.pop(one.layer.step)[:, at], problems[place].weight)
            parts[place].append((x[:, at], wanted))
    found = []
    for design, rows in zip(designs, parts, strict=True):
        seen, wanted = (torch.cat(one, 1) for one in zip(*rows, strict=True))
        order = torch.randperm(seen.shape[1], generator=torch.Generator().manual_seed(design.layer.x))
        found.append(Example(design, seen[:, order], wanted[:, order]))
    return found

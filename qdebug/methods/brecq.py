"""BRECQ.

Li, Gong, Tan, Yang, Hu, Zhang, Yu, Wang, Gu: *BRECQ: Pushing the Limit of Post-Training Quantization by Block
Reconstruction*, ICLR 2021 (arXiv:2102.05426), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from qdebug.engine import Batch, LayerQuant, Rounded
from qdebug.engine.threads import one_thread
from qdebug.errors import NumericError
from qdebug.methods.adam import Adam
from qdebug.methods.adaround import LOOK, Softened, beta_at
from qdebug.methods.bench import Bench, Problem
from qdebug.methods.blocks import Block, blocks_of
from qdebug.methods.fisher import curvature
from qdebug.methods.learned_steps import LearnedStep, learned_steps
from qdebug.methods.replay import Given, Replay
from qdebug.quantize import fake_quantize, from_rows, rows
from qdebug.quantize.neighbours import neighbours
from qdebug.recipes.fixes import Brecq

MOST = 2**25
"""Values of what a block reads and gives that are kept; batches beyond are not looked at."""


def round_by_brecq(bench: Bench, fix: Brecq) -> Bench:
    """Round the layers of one block of the graph after the other.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Returns:
        The bench with rounded weights and, where asked for, other steps of the blocks' inputs.

    Raises:
        NumericError: a value on the way holds NaN or Inf.
    """
    blocks = blocks_of(bench.engine.program, bench.layers, bench.engine.layers)
    with one_thread():
        for done, block in enumerate(blocks):
            rounded, quants = _Descent(bench, block, fix).run(done, len(blocks))
            bench = replace(bench, quants={**bench.quants, **quants}).with_rounded(rounded)
    return bench


@dataclass(frozen=True)
class _Example:
    """Some samples, what the block reads of them, and what it gave in float.

    Attributes:
        given: the samples and what is read.
        wanted: the float block's output.
        weight: what a squared change of it counts, in its shape; None where all count alike.
    """

    given: Given
    wanted: Tensor
    weight: Tensor | None

    def loss(self, found: Tensor) -> Tensor:
        """Equation 10 per sample: the weighted squares of changes, summed over the output."""
        off = (self.given.batch.real_rows(found) - self.wanted).square()
        return (off if self.weight is None else off * self.weight).sum() / self.given.batch.count


class _Descent:
    """One block's soft choices on their way down (section 3.3, with the rounding of Nagel et al. 2020)."""

    def __init__(self, bench: Bench, block: Block, fix: Brecq) -> None:
        self._bench, self._block, self._fix = bench, block, fix
        self._problems = [bench.problem(layer) for layer in block.layers]
        self._levels = [neighbours(one.weight, one.grid) for one in self._problems]
        self._softs = [
            Softened(problem.weight, below, above - below)
            for problem, (below, above) in zip(self._problems, self._levels, strict=True)
        ]
        readers = {layer.step: layer.x for layer in block.layers}
        learns = fix.steps and not bench.held
        self._steps = learned_steps(bench.quants, readers) if learns else {}
        self._replay = Replay(bench, bench.sheet, block.steps, self._steps)
        self._examples = _examples(bench, block, fix)

    def run(self, done: int, total: int) -> tuple[dict[int, Rounded], dict[int, LayerQuant]]:
        """What the block's layers are rounded to, and how they are quantized from now on.

        Args:
            done: blocks before this one.
            total: of all blocks.
        """
        fix, nearest = self._fix, [fake_quantize(one.weight, one.grid) for one in self._problems]
        least, units = self._errors(nearest), self._units(nearest)
        adams = [Adam(soft.v, fix.learning_rate) for soft in self._softs]
        stretches = list({id(one): one.stretch for one in self._steps.values()}.values())
        stretching = [Adam(one.detach(), fix.step_rate) for one in stretches]
        dice = torch.Generator().manual_seed((fix.seed << 20) + self._block.target)
        error, order = 1.0, torch.empty(0)
        for turn in range(fix.iterations):
            place = turn % len(self._examples)
            order = torch.randperm(len(self._examples), generator=dice) if not place else order
            example = self._examples[int(order[place])]
            if turn % LOOK == 0:
                text = f"rounding {self._block.name} by BRECQ, error {error:.0%} of nearest rounding's"
                self._bench.work.step(done * fix.iterations + turn, total * fix.iterations, text)
            loss, slopes, pulls = self._slopes(example, [soft.values() for soft in self._softs], stretches)
            error += (loss / max(least, 1e-30) - error) * (0.05 if turn else 1.0)
            beta = beta_at(turn, fix.iterations, fix.warm_up)
            for soft, adam, slope, towards in zip(self._softs, adams, slopes, units, strict=True):
                adam.step(soft.slope(slope.mul_(towards), fix.regularization, beta))
            for adam, pull in zip(stretching, pulls, strict=True):
                adam.step(pull)
        hard = [torch.where(one.up(), *two[::-1]) for one, two in zip(self._softs, self._levels, strict=True)]
        if not self._errors(hard) <= least:
            return self._answer(nearest), {}
        return self._answer(hard), {step: self._with_step(step, one) for step, one in self._steps.items()}

    def _with_step(self, step: int, learned: LearnedStep) -> LayerQuant:
        return replace(self._bench.quants[step], activation=learned.grid())

    def _answer(self, values: Sequence[Tensor]) -> dict[int, Rounded]:
        return {one.layer.step: one.rounded(found) for one, found in zip(self._problems, values, strict=True)}

    def _units(self, nearest: Sequence[Tensor]) -> list[Tensor]:
        """The gaps to the levels above over the error that changing an average weight of the layer by one makes.

        That error is twelve times the part of one weight in what rounding the layer alone to nearest does to the block.
        """
        found = []
        for place, (one, (below, above)) in enumerate(zip(self._problems, self._levels, strict=True)):
            alone = [other.weight for other in self._problems]
            alone[place] = nearest[place]
            unit = 12 * self._errors(alone, by_weights=True) / one.weight.numel()
            found.append((above - below) / max(unit, torch.finfo(torch.float32).tiny))
        return found

    def _errors(self, values: Sequence[Tensor], *, by_weights: bool = False) -> float:
        """The objective over all examples: from the float block, or from what float weights make of the same inputs."""
        total = 0.0
        exact = self._weights([one.weight for one in self._problems])
        with torch.no_grad():
            for example in self._examples:
                out = self._out(example, self._weights(values))
                base = example.given.batch.real_rows(self._out(example, exact)) if by_weights else example.wanted
                total += float(replace(example, wanted=base).loss(out).double()) * example.given.batch.count
        return total / sum(one.given.batch.count for one in self._examples)

    def _out(self, example: _Example, weights: Mapping[int, Tensor]) -> Tensor:
        found: Tensor = self._replay.values(example.given, weights)[self._block.target]
        return found

    def _weights(self, values: Sequence[Tensor]) -> dict[int, Tensor]:
        return {one.layer.step: _shaped(one, found) for one, found in zip(self._problems, values, strict=True)}

    def _slopes(
        self, example: _Example, values: Sequence[Tensor], stretches: Sequence[Tensor]
    ) -> tuple[float, list[Tensor], list[Tensor]]:  # fmt: skip
        """The loss on an example, its gradients at weights in rows and in their basis, and at the steps."""
        leaves = {step: one.detach().requires_grad_() for step, one in self._weights(values).items()}
        with torch.enable_grad():
            loss = example.loss(self._out(example, leaves))
            wanted = [*leaves.values(), *stretches]
            if loss.requires_grad:
                slopes = torch.autograd.grad(loss, wanted, allow_unused=True, materialize_grads=True)
            else:
                slopes = tuple(torch.zeros_like(one) for one in wanted)
        found = []
        for problem, slope in zip(self._problems, slopes, strict=False):
            matrix = rows(slope, problem.layer.out_axis).float()
            found.append((matrix if problem.basis is None else problem.basis.into(matrix)).clone())
        return float(loss.detach()), found, list(slopes[len(leaves) :])


def _shaped(problem: Problem, values: Tensor) -> Tensor:
    matrix = values if problem.basis is None else problem.basis.back(values)
    return from_rows(matrix.to(problem.given.dtype), problem.given, problem.layer.out_axis)


def _examples(bench: Bench, block: Block, fix: Brecq) -> list[_Example]:
    found: list[_Example] = []
    left, sheet = MOST, bench.sheet if fix.sequential else bench.reference
    for batch in bench.batches_of(fix.batch):
        wanted = bench.engine.values(bench.reference, batch, (block.target,), bench.work)[block.target]
        values = bench.engine.values(sheet, batch, block.reads, bench.work)
        tensors = [one for one in (wanted, *values.values()) if isinstance(one, Tensor)]
        if not all(bool(torch.isfinite(one).all()) for one in tensors):
            raise NumericError(
                "What the block reads or gives holds NaN or Inf on the calibration data", layer=block.layers[0].name,
                do="Find where they arise upstream, or leave this layer's weight in float.",
            )  # fmt: skip
        weight = _importance(bench, block, fix, batch) if fix.weighting != "none" else None
        found.append(_Example(Given(batch, values), batch.real_rows(wanted), weight))
        left -= sum(one.numel() for one in tensors)
        if left <= 0:
            break
    return found


def _importance(bench: Bench, block: Block, fix: Brecq, batch: Batch) -> Tensor:
    """What a squared change of the block's output counts in the loss."""
    found = curvature(bench, block.target, batch, fix.seed)
    if fix.weighting == "fisher":
        return found
    damped = (found.sqrt() + 1).square()
    return damped / damped.mean()

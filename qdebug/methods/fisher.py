"""What a change of a value in the middle of a model costs at its end, place by place."""

from __future__ import annotations

import torch
from torch import Tensor

from qdebug.engine import Batch
from qdebug.graph import prune
from qdebug.methods.bench import Bench
from qdebug.methods.replay import Given, Replay

DRAWS = 8


def curvature(bench: Bench, target: int, batch: Batch, seed: int, draws: int = DRAWS) -> Tensor:
    """The diagonal of the Fisher information at a value of the float model, estimated; a mean of 1 over the batch.

    Li et al. 2021 (BRECQ), equation 10: the squared gradients of the loss. The loss is the model's own: labels are
    those that its softmax gives, in the mean over them. A gradient is drawn as √p∘ε − p⟨√p, ε⟩ with random signs ε,
    whose covariance is the softmax's Fisher matrix diag(p) − p pᵀ; where the output is not known to be class scores, as
    ε, so that the loss is the squared error.

    Args:
        bench: the model.
        target: the step.
        batch: samples.
        seed: of the signs.
        draws: walks back from the output.

    Returns:
        float32, in the shape of the value without padding; ones where no gradient gets there.
    """
    program = bench.engine.program
    live = prune.needed(
        program.steps, (program.output,), lambda step: program.sources[step.index], lambda step: (step.index,)
    )
    steps = [i for i in sorted(live) if program.steps[i].kind == "op" and not program.constant[i]]
    with torch.enable_grad():
        values = Replay(bench, bench.reference, steps).values(Given(batch), leaf=target)
        leaf, output = values[target], values[program.output]
        total = torch.zeros_like(leaf, dtype=torch.float32)
        dice = torch.Generator().manual_seed(seed)
        for _ in range(draws if output.requires_grad else 0):
            drawn = draw(output.detach()[: batch.count], bench.class_axis, dice)
            whole = torch.cat([drawn, drawn.new_zeros(len(output) - batch.count, *drawn.shape[1:])])
            (slope,) = torch.autograd.grad(output, leaf, whole, retain_graph=True, allow_unused=True)
            total += 0 if slope is None else slope.float().square()
    found = batch.real_rows(total)
    mean = found.mean()
    return found / mean if bool(mean > 0) else torch.ones_like(found)


def draw(output: Tensor, axis: int | None, dice: torch.Generator) -> Tensor:
    """A random gradient at the output ``[N, …]`` of class scores along an axis; of any numbers where that is None."""
    signs = torch.randint(0, 2, output.shape, generator=dice).to(output.dtype) * 2 - 1
    if axis is None:
        return signs
    p = torch.softmax(output.float(), axis).to(output.dtype)
    root = p.sqrt()
    return root * signs - p * (root * signs).sum(axis, keepdim=True)

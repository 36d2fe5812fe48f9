"""Fixes that train a network's weights with its quantization in place."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from qdebug.recipes.fixes.base import BaseFix

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Qat(BaseFix, frozen=True, tag="qat"):
    """Train with the quantization in place, to give the float network's outputs again (Esser et al. 2020; LSQ).

    Attributes:
        iterations: steps of the optimizer.
        batch: samples per step.
        learning_rate: the optimizer's, at its highest.
        schedule: how it falls: along a cosine, or in ``two-stage`` as for BitNet b1.58, with weight decay in the first
            half alone.
        weight_decay: of the first half of ``two-stage``, and of all of ``cosine``.
        optimizer: ``adam``, or ``sgd`` with momentum as in the paper.
        weight_steps: learn the scales of integer weights too; else they follow the range of the weights.
        input_steps: learn the scales of static integer activations too; else they stay as calibrated.
        start: where learned scales of weights begin: at the mean magnitude of weights as in the ``paper``, or at the
            recipe's own ``range``.
        temperature: of the softmax in which both networks are compared, where outputs are scores of classes.
        labels: part of the loss that is the task's own, from the training data's labels.
        held_out: part of the training data that is not trained on, and says which weights are the best.
        stop: steps after which training ended although more were meant; 0 for never.
        seed: of the samples held out and of the order of the others.
    """

    stage = "training"
    pace = "minutes"
    title = "Quantization-aware training"
    about = (
        "Trains weights, biases and scales on the training data, with everything quantized in the forward pass, until "
        "the outputs are again what the float network's were. Of all states on the way it keeps the best on held-out "
        "samples, so it can be stopped at any time."
    )
    cures = "too few bits"
    source = (
        "Esser et al., ICLR 2020 (LSQ, arXiv:1902.08153); Hinton et al. 2015 (arXiv:1503.02531); "
        "Ma et al. 2024 (BitNet b1.58, arXiv:2402.17764)"
    )

    iterations: int = 600
    batch: int = 64
    learning_rate: float = 0.001
    schedule: Literal["cosine", "two-stage"] = "cosine"
    weight_decay: float = 0.0
    optimizer: Literal["adam", "sgd"] = "adam"
    weight_steps: bool = True
    input_steps: bool = True
    start: Literal["paper", "range"] = "paper"
    temperature: float = 1.0
    labels: Share = 0.0
    held_out: Share = 0.1
    stop: int = 0
    seed: int = 0

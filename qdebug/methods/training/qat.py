"""Quantization-aware training.

Esser, McKinstry, Bablani, Appuswamy, Modha: *Learned Step Size Quantization*, ICLR 2020 (arXiv:1902.08153); Ma et al.:
*The Era of 1-bit LLMs*, 2024 (arXiv:2402.17764), section 2, for ternary weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import isfinite, prod

import msgspec
import numpy as np
import torch
from torch import Tensor

from qdebug.engine import Batch
from qdebug.engine.threads import one_thread
from qdebug.errors import MethodError, NumericError
from qdebug.graph import Layer
from qdebug.methods.bench import Bench, EndedEarly
from qdebug.methods.training.data import FEW_HELD_OUT, MOST_HELD_OUT, Places, TrainingData, parted, turns
from qdebug.methods.training.descent import Descent, pace_at
from qdebug.methods.training.loss import Teaching
from qdebug.methods.training.network import Network
from qdebug.recipes.fixes import Qat
from qdebug.results import Losses

LOOKS = 20
"""Times that the held-out samples are looked at."""
KEPT_BYTES = 2**28
"""What the float network's outputs may take, so that each is computed once; beyond, once for each step."""


def train_quantized(bench: Bench, fix: Qat) -> Bench:
    """Train the bench's model with its quantization in place, and keep the best of all states that were looked at.

    Args:
        bench: the model as earlier fixes left it.
        fix: the parameters.

    Returns:
        The bench with trained weights and biases, and with the grids whose steps were learned; the bench as it came
        where nothing was better on the held-out samples.

    Raises:
        EndedEarly: somebody had enough; the exception has the best so far.
        MethodError: there are no data to train on; labels are to count, and there are none, or the output is no scores
            of classes.
        NumericError: the float network gives NaN or Inf.
    """
    data = bench.training
    if data is None:
        raise MethodError(
            "There are no data to train on: calibration uses evaluation data", do="Give training or calibration data."
        )
    if not bench.layers:
        return bench
    _check(data, fix)
    with one_thread(), bench.work.ends_when_enough():
        return _Training(bench, data, fix).run()


def without_training(bench: Bench, layer: Layer) -> str | None:
    """Why a layer's weight is not trained; None where it is."""
    if bench.training is None:
        return "there are no data to train on but those that are evaluated"
    if bench.quants[layer.step].plan.weight.range == "stored":
        return "its codes came with the model's file"
    return None


def _check(data: TrainingData, fix: Qat) -> None:
    if not fix.labels:
        return
    if data.axis is None:
        raise MethodError("Labels can only count where outputs are scores of classes", do="Leave labels at 0.")
    if data.data.labels is None:
        raise MethodError("The training data have no labels", file=data.data.source, do="Leave labels at 0.")


@dataclass
class _Best:
    """The best state that was looked at, its loss and the step it was reached at; None for the model as it came."""

    loss: float
    turn: int = 0
    state: list[Tensor] | None = None


class _Training:
    """One training. Lives as long as a call."""

    def __init__(self, bench: Bench, data: TrainingData, fix: Qat) -> None:
        self.bench, self.data, self.fix = bench, data, fix
        self.total = max(1, fix.iterations)
        self.end = min(fix.stop or self.total, self.total)
        self.size = max(1, min(fix.batch, data.largest or fix.batch))
        self.look = max(1, self.total // LOOKS)
        # A look is not to cost much more than the steps between two.
        most = min(MOST_HELD_OUT, max(FEW_HELD_OUT, self.look * self.size))
        train, self.held_out = parted(len(data.data), fix.held_out, fix.seed, most)
        self.trained_on = len(train)
        self.turns = turns(train, self.size, self.end, fix.seed)
        self.wanted = _Wanted(bench, data, fix)
        self.teaching = self._teaching()
        self.network = Network(bench, fix)

    def run(self) -> Bench:
        network, total = self.network, self.total
        leaves = network.leaves
        descent = Descent(leaves, len(network.weights), self.fix.optimizer, self.fix.learning_rate)
        best, look = self._first(), self.look
        lately, looked = [], 0
        for turn, places in enumerate(self.turns):
            if self.bench.work.is_enough and looked:
                raise EndedEarly(msgspec.structs.replace(self.fix, stop=looked), self._found(best))
            rate, decay = pace_at(turn, total, self.fix.schedule, self.fix.learning_rate, self.fix.weight_decay)
            loss = self._loss(places, network)
            lately.append(float(loss.detach()))
            if not isfinite(lately[-1]):
                break
            descent.step(loss, rate, decay)
            for step in network.steps:
                step.keep_positive()
            done = turn + 1
            if done % look == 0 or done == self.end:
                looked = done
                self._look(done, best, sum(lately) / len(lately))
                lately = []
            elif done % 5 == 0:
                self.bench.work.step(done, total, self._text(best, lately[-1]))
        return self._found(best)

    def _first(self) -> _Best:
        """The model as it came."""
        given = self.network
        if self.fix.start == "paper":
            given = Network(self.bench, msgspec.structs.replace(self.fix, weight_steps=False, input_steps=False))
        loss = self._held_out_loss(given)
        self.bench.work.losses(Losses(step=0, training=None, held_out=loss))
        return _Best(loss)

    def _look(self, done: int, best: _Best, lately: float) -> None:
        loss = self._held_out_loss(self.network)
        if loss < best.loss:
            best.loss, best.turn = loss, done
            best.state = [leaf.detach().clone() for leaf in self.network.leaves]
        self.bench.work.step(done, self.total, self._text(best, lately))
        self.bench.work.losses(Losses(step=done, training=lately, held_out=loss))
        self.bench.work.error(partial(self._error, self.bench.batches[0]))

    def _text(self, best: _Best, loss: float) -> str:
        at = f"at step {best.turn}" if best.turn else "untrained"
        source = f"{self.trained_on} samples from {self.data.data.source}"
        return f"training on {source}: loss {loss:.3g}, on those held out {best.loss:.3g} at best ({at})"

    def _found(self, best: _Best) -> Bench:
        return self.bench if best.state is None else self.network.bench(best.state)

    def _loss(self, places: Places, network: Network) -> Tensor:
        batch = self.data.batch_of(places)
        labels = self.data.data.labels
        chosen = None if labels is None or not self.fix.labels else labels[torch.from_numpy(places)]
        return self.teaching(network.output(batch), self.wanted.of(batch, places), chosen)

    def _held_out_loss(self, network: Network) -> float:
        total = 0.0
        with torch.no_grad():
            for start in range(0, len(self.held_out), self.size):
                places = self.held_out[start : start + self.size]
                total += float(self._loss(places, network)) * len(places)
        return total / len(self.held_out)

    def _error(self, batch: Batch) -> float:
        """As :meth:`qdebug.methods.bench.Bench.error`, of the network as it stands."""
        wanted = self.wanted.fresh(batch).double()
        with torch.no_grad():
            found = self.network.output(batch).double()
        return float((found - wanted).square().sum() / wanted.square().sum().clamp_min(1e-300))

    def _teaching(self) -> Teaching:
        wanted = self.wanted.of(self.data.batch_of(self.held_out[: self.size]), self.held_out[: self.size])
        if not bool(torch.isfinite(wanted).all()):
            raise NumericError(
                "The float network's output holds NaN or Inf on the training data",
                do="Look for the layer they arise in.",
            )
        axis = self.data.axis
        if axis is not None and _are_probabilities(wanted, axis):
            axis = None
        scale = float(wanted.float().square().mean())
        return Teaching(axis, self.fix.temperature, self.fix.labels, self.data.ignored, scale)


class _Wanted:
    """What the float network gives. Kept sample by sample, where that is little."""

    def __init__(self, bench: Bench, data: TrainingData, fix: Qat) -> None:
        self._bench = bench
        self._kept: dict[int, Tensor] | None = {}
        first = self.fresh(data.batch_of(np.zeros(1, np.int64)))
        if min(len(data.data), fix.iterations * fix.batch) * prod(first.shape[1:]) * 4 > KEPT_BYTES:
            self._kept = None

    def of(self, batch: Batch, places: Places) -> Tensor:
        """The outputs for a batch of the samples at these places."""
        if self._kept is None:
            return self.fresh(batch)
        if any(int(place) not in self._kept for place in places):
            self._kept |= {int(place): one for place, one in zip(places, self.fresh(batch), strict=True)}
        return torch.stack([self._kept[int(place)] for place in places])

    def fresh(self, batch: Batch) -> Tensor:
        """The outputs for any batch."""
        return self._bench.engine.output(self._bench.reference, batch, self._bench.work, remember=False)


def _are_probabilities(output: Tensor, axis: int) -> bool:
    sums = output.float().sum(axis)
    return float(output.min()) >= 0 and torch.allclose(sums, torch.ones(()), atol=1e-3)

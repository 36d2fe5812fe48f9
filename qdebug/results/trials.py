"""Answers about a fix that was tried, and what trying it would take."""

from __future__ import annotations

from qdebug.results.base import Result
from qdebug.results.score import Score


class TriedLayer(Result, frozen=True, kw_only=True):
    """A layer without and with a fix: the SQNR of its output in dB, its inputs float; None where there is no error."""

    name: str
    before_db: float | None
    after_db: float | None

    @property
    def gain_db(self) -> float | None:
        """How much less error there is; None where one of the two has none."""
        return None if self.before_db is None or self.after_db is None else self.after_db - self.before_db


class Losses(Result, frozen=True, kw_only=True):
    """How far a training is.

    Attributes:
        step: steps done.
        training: the mean loss of the steps since the last look; None before the first.
        held_out: the loss on samples that are not trained on.
    """

    step: int
    training: float | None
    held_out: float


class FixTrial(Result, frozen=True, kw_only=True):
    """A recipe with a fix against the same without it; as long as it is being worked out, as much as is known.

    Attributes:
        before: the score without it.
        after: the score with it; None as long as it is not known.
        layers: those that either of them quantizes, in graph order.
        course: the squared error of the model's output on the first calibration batch over its square, as the fix
            went from layer to layer; empty where what it found was kept from before, or where it does not say.
        losses: of a training, from look to look; empty for other fixes.
        seconds: what it took.
        ended: the fix that this is the answer for, as the command line has it, where somebody had enough before the
            one that was asked for was done; else empty.
    """

    before: Score | None = None
    after: Score | None = None
    layers: tuple[TriedLayer, ...] = ()
    course: tuple[float, ...] = ()
    losses: tuple[Losses, ...] = ()
    seconds: float = 0.0
    ended: str = ""

    @property
    def changed(self) -> tuple[TriedLayer, ...]:
        """The layers whose output changes, the most changed first."""
        found = [layer for layer in self.layers if layer.before_db != layer.after_db]
        return tuple(sorted(found, key=lambda one: -abs(float("inf") if one.gain_db is None else one.gain_db)))


class FixEstimate(Result, frozen=True, kw_only=True):
    """What a fix would take here, before it is started.

    Attributes:
        seconds: the estimate.
        forward_seconds: one float pass over the calibration data, measured just now.
        layers: how many it would treat.
        learned: whether it was corrected by what the same fix took on this model before.
    """

    seconds: float
    forward_seconds: float
    layers: int
    learned: bool = False

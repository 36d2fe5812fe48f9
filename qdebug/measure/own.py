"""A metric that is a Python function of somebody's own: called batch by batch, and held to what it promises."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qdebug.errors import MetricError
from qdebug.measure.scores import Named

Function = Callable[..., object]
_CONTRACT = "It gets a batch's outputs and labels, and returns one number for each sample, [N]"
_CLOSE = 1e-4


@dataclass(frozen=True, eq=False)
class OwnMetric:
    """A function of a batch of outputs and their labels that gives each sample a score.

    ``function(outputs, labels)`` gets ``outputs``, the model's output for N samples as a float32 tensor ``[N, …]`` on
    the CPU (a copy, which it may change), and ``labels``, the data's own for the same samples (int64 ``[N]``,
    ``[N, …]``, or float32 targets), or None where the data have none. It returns N finite real numbers or truth
    values: a tensor, an array or a list ``[N]``. It must treat each sample by itself, since it is called for batches of
    any size; the metric is the mean. An attribute ``higher_is_better`` of the function says which way is good (True if
    there is none), an attribute ``unit`` what the numbers are in.

    Attributes:
        function: the function.
        named: its name, direction and unit.
        identity: changes with the function; what is kept on disk is kept under it.
        place: ``file.py:12``, where it is written; empty where that is not known.
    """

    function: Function
    named: Named
    identity: str
    place: str = ""
    _seen: list[bool] = field(default_factory=list, repr=False)

    def scores(self, outputs: Tensor, labels: Tensor | None) -> NDArray[np.float64]:
        """The score of each sample of a batch, ``[N]``.

        Raises:
            MetricError: the function fails, or returns something else than a finite number for each sample, or lets
                samples of a batch depend on each other.
        """
        found = self._called(outputs, labels)
        if not self._seen and len(outputs) > 1:
            self._seen.append(True)
            alone = self._called(outputs[:1], None if labels is None else labels[:1])
            if abs(alone[0] - found[0]) > _CLOSE * max(1.0, abs(found[0])):
                raise MetricError(
                    f"The metric '{self.named.name}' scores a sample by the others in its batch: sample 0 gets "
                    f"{alone[0]:.6g} alone and {found[0]:.6g} among {len(outputs)}", file=self.place or None,
                    do="Let each sample's score depend on its own output and label alone: batches have any size.",
                )  # fmt: skip
        return found

    def _called(self, outputs: Tensor, labels: Tensor | None) -> NDArray[np.float64]:
        copies = outputs.detach().float().cpu().clone(), None if labels is None else labels.detach().cpu().clone()
        try:
            with torch.no_grad():
                found = self.function(*copies)
        except Exception as error:  # whatever somebody's own code raises
            raise MetricError(
                f"The metric '{self.named.name}' fails: {type(error).__name__}: {error}".rstrip(": "),
                file=_line(error) or self.place or None, outputs=_shape(outputs), labels=_shape(labels),
                do=f"{_CONTRACT}.",
            ) from error  # fmt: skip
        return self._checked(found, outputs, labels)

    def _checked(self, found: object, outputs: Tensor, labels: Tensor | None) -> NDArray[np.float64]:
        name, count = f"The metric '{self.named.name}'", len(outputs)
        where = {"file": self.place or None, "outputs": _shape(outputs), "labels": _shape(labels)}
        try:
            array = found.detach().cpu().double().numpy() if isinstance(found, Tensor) else np.asarray(found)
        except (ValueError, TypeError, RuntimeError):
            array = np.empty(0, dtype=object)
        if array.dtype.kind not in "biuf":
            kind = "None" if found is None else f"a {type(found).__name__}"
            raise MetricError(f"{name} returns {kind}, no numbers", do=f"{_CONTRACT}.", **where)
        if array.ndim == 0:
            raise MetricError(
                f"{name} returns one number for a batch of {count} samples", **where,
                do="Return the score of each sample, [N], without the mean over the batch: intervals, changed answers "
                "and subgroups are made of the samples' own scores.",
            )  # fmt: skip
        if array.shape != (count,):
            raise MetricError(
                f"{name} returns the shape {list(array.shape)} for a batch of {count} samples", **where,
                do=f"{_CONTRACT}: [{count}] here.",
            )  # fmt: skip
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            at = int(np.flatnonzero(~np.isfinite(array))[0])
            broken = not bool(torch.isfinite(outputs[at].float()).all())
            said = ", whose output holds NaN or Inf" if broken else ""
            raise MetricError(
                f"{name} returns {array[at]} for sample {at} of a batch{said}", **where,
                do="Say in the function what such an output scores: a quantized model may give one.",
            )  # fmt: skip
        return array


def _line(error: BaseException) -> str:
    """``file.py:12``, where somebody's own code failed: the last line that is not of a library."""
    frames = traceback.extract_tb(error.__traceback__)[1:]
    own = [frame for frame in frames if "site-packages" not in frame.filename and "<frozen" not in frame.filename]
    at = (own or frames)[-1] if frames else None
    return f"{at.filename}:{at.lineno}" if at else ""


def _shape(tensor: Tensor | None) -> str:
    return "none" if tensor is None else f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"

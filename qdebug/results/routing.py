"""Which experts of a mixture the tokens go to."""

from __future__ import annotations

from qdebug.results.base import Result


class Routed(Result, frozen=True, kw_only=True):
    """One expert's part.

    Attributes:
        expert: its name, which its layers' names begin with.
        calibration: the share of the calibration data's tokens that are routed to it. At 0 nothing is known of its
            inputs, and ranges of them are made up.
        evaluation: that of the evaluation data's.
    """

    expert: str
    calibration: float
    evaluation: float

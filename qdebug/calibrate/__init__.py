"""What flows through a network, observed in one pass with bounded memory, and the ranges chosen from it."""

from qdebug.calibrate.bins import histogram
from qdebug.calibrate.convergence import convergence
from qdebug.calibrate.extremes import Extremes
from qdebug.calibrate.observer import AVERAGED, Observer
from qdebug.calibrate.ranges import choose_range
from qdebug.calibrate.stats import ActivationStats

__all__ = ["AVERAGED", "ActivationStats", "Extremes", "Observer", "choose_range", "convergence", "histogram"]

"""Mixed precision as pure optimization: layers × plans, what each is predicted to do, what it costs, one budget.

Nothing here knows of networks: a :class:`Problem` is arrays. All costs are in one unit of the caller's, all damages
squared output errors per sample. Torch-free.
"""

from qdebug.search.mix.baselines import random_choices, uniform_choices
from qdebug.search.mix.choice import Choice, Limits, describe
from qdebug.search.mix.exact import cheapest, solve
from qdebug.search.mix.front import front, undominated
from qdebug.search.mix.greedy import Greedy, Step, greedy
from qdebug.search.mix.problem import How, Problem

__all__ = [
    "Choice", "Greedy", "How", "Limits", "Problem", "Step", "cheapest", "describe", "front", "greedy", "random_choices",
    "solve", "undominated", "uniform_choices",
]  # fmt: skip

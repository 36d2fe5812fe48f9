"""Mixed precision as pure optimization: layers × plans, what each is predicted to do, what it costs, one budget.

Nothing here knows of networks: a :class:`Problem` is arrays. All costs are in one unit of the caller's, all damages
squared output errors per sample. Torch-free.
"""

from qdebug.search.mix.baselines import random_choices, uniform_choices
from qdebug.search.mix.choice import Choice, Limits, describe
from qdebug.search.mix.correction import Correction, Expected, corrected
from qdebug.search.mix.evidence import Evidence, evidence, with_changes
from qdebug.search.mix.exact import cheapest, solve
from qdebug.search.mix.front import front, undominated
from qdebug.search.mix.greedy import Greedy, Step, greedy
from qdebug.search.mix.near import near
from qdebug.search.mix.parts import Parts, front_worst, parts_of, solve_worst
from qdebug.search.mix.problem import How, Problem

__all__ = [
    "Choice", "Correction", "Evidence", "Expected", "Greedy", "How", "Limits", "Parts", "Problem", "Step", "cheapest",
    "corrected", "describe", "evidence", "front", "front_worst", "greedy", "near", "parts_of", "random_choices",
    "solve", "solve_worst", "undominated", "uniform_choices", "with_changes",
]  # fmt: skip

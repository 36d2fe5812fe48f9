"""What a budget or a limit of damage must be."""

from __future__ import annotations

import math

from qdebug.errors import NumericError, UsageError
from qdebug.search.mix.problem import Problem


def check_budget(problem: Problem, budget: float) -> float:
    """The budget as a float.

    Raises:
        UsageError: nothing allowed costs so little; the least is said.
        NumericError: it is NaN.
    """
    budget = check_limit(budget, "budget")
    if budget + problem.round_off < problem.least_cost:
        hint = ""
        if problem.unpredicted:
            names = ", ".join(problem.names[k] for k in problem.unpredicted[:5])
            hint = f" Layers that nothing is known of are held at their dearest plan: {names}."
        raise below_least("budget", budget, f"the least is {problem.least_cost:.6g}", hint)
    return budget


def check_limit(limit: float, what: str) -> float:
    """A budget or a limit of damage as a float; inf is one.

    Raises:
        NumericError: it is NaN.
    """
    value = float(limit)
    if math.isnan(value):
        raise NumericError(f"The {what} is not a number", do="Give a finite number, or inf for none.")
    return value


def below_least(what: str, given: float, least: str, hint: str = "") -> UsageError:
    """The error of a limit that nothing meets; ``least`` says what could be."""
    return UsageError(
        f"No allowed choice was found within a {what} of {given:.6g}; {least}",
        do=f"Ask for at least that, or allow more plans.{hint}",
    )

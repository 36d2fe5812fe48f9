"""Sound networks with one fault planted in each: does the diagnosis name it? ``python -m benchmarks.faults``."""

from benchmarks.faults.cases import Case, case, cases
from benchmarks.faults.judge import Outcome, judge
from benchmarks.faults.plant import PLANTS

__all__ = ["PLANTS", "Case", "Outcome", "case", "cases", "judge"]

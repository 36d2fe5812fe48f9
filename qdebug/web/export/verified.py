"""What a verification found, layer by layer and in remarks, as markup."""

from __future__ import annotations

from qdebug.figures import numbers
from qdebug.figures.agreement import Reading, differing, place_name
from qdebug.figures.text import escaped, plural, shorten
from qdebug.results import Verified, VerifiedTensor
from qdebug.web.core import words

ORDERS = {"graph": "graph order", "worst": "worst first"}
MOST_ROWS = 400
FLOAT = "float"


def table_html(layers: tuple[VerifiedTensor, ...], reading: Reading, order: str) -> str:
    """A row per quantized value: node, kernel, codes, how many differ and by how much."""
    rows = sorted(layers, key=lambda one: -differing(one, reading)) if order == "worst" else list(layers)
    body = "".join(_row(one, reading) for one in rows[:MOST_ROWS])
    more = f'<p class="q-quiet">and {plural(len(rows) - MOST_ROWS, "more")}</p>' if len(rows) > MOST_ROWS else ""
    return (
        words.scrolling(
            '<table class="q-rows"><thead><tr><th scope="col">node</th><th scope="col">kernel</th>'
            '<th scope="col">codes</th><th scope="col">differing</th><th scope="col">largest</th></tr></thead>'
            f"<tbody>{body}</tbody></table>",
            tall=True,
        )
        + more
    )


def _row(one: VerifiedTensor, reading: Reading) -> str:
    found = getattr(one, reading)
    name, kernel = escaped(one.node), escaped(one.kernel)
    parts = numbers.small_share(differing(one, reading)) if found.differing else "none"
    return (
        f'<tr><td title="{name}"><code class="q-name">{escaped(shorten(place_name(one.node)))}</code></td>'
        f'<td><span class="q-pill {kernel_precision(one.kernel)}">{kernel}</span></td>'
        f"<td>{numbers.count(one.elements)}</td><td>{parts}</td>"
        f"<td>{numbers.count(found.largest) if found.differing else ''}</td></tr>"
    )


def kernel_precision(kernel: str) -> str:
    """The precision class that colours a kernel: what its codes have."""
    return "p32" if kernel == FLOAT else "p4" if "NBits" in kernel else "p8"


def remarks_html(found: Verified) -> str:
    """Findings, what stayed in float though quantized, where sums could saturate, what the file cannot say."""
    parts = [_list("Findings", found.findings, whole=True)]
    told = " ".join(found.findings)
    if not all(name in told for name in found.float_layers):
        title = f"{plural(len(found.float_layers), 'layer')} ran in float though quantized"
        parts.append(_list(title, found.float_layers, names=True))
    risky = [one for one in found.saturation if one.saturating]
    if risky:
        title = f"In {plural(len(risky), 'layer')} sums of two products do not fit 16 bits"
        parts.append(_list(title, tuple(
            f"{one.layer}: {numbers.count(one.saturating)} of {numbers.count(one.pairs)} pairs" for one in risky
        ), after=saturation_note(found.vnni)))  # fmt: skip
    parts.append(_list("What the recipe says and the file cannot", found.unsaid, whole=True))
    return "".join(parts)


def saturation_note(vnni: bool | None) -> str:
    """What those sums mean on this CPU."""
    if vnni:
        return "This CPU has VNNI and adds them in 32 bits; one without it would cut them off."
    return (
        "This CPU has no VNNI: its kernels cut them off." if vnni is False
        else "A CPU without VNNI cuts them off; whether this one has it is not known."
    )  # fmt: skip


def _list(title: str, lines: tuple[str, ...], *, names: bool = False, whole: bool = False, after: str = "") -> str:
    """A heading and its lines: names in a frame that scrolls, sentences as a whole."""
    if not lines:
        return ""
    shown = [f'<code class="q-name">{escaped(one)}</code>' if names else escaped(one) for one in lines]
    rows = "".join(f"<li>{one}</li>" for one in shown)
    made = f'<ul class="q-sites">{rows}</ul>'
    note = f'<p class="q-quiet">{escaped(after)}</p>' if after else ""
    return (
        f'<h3 class="q-chart-title q-below">{escaped(title)}</h3>' + (made if whole else words.scrolling(made)) + note
    )

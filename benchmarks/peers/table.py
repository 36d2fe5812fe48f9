"""What the scripts say, read and laid out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from scipy.stats import spearmanr

ABOUT = {
    "qdebug": "each layer alone: squared output error, metric, per sample",
    "onnxruntime": "all quantized at once: SQNR of each activation and weight; no layer alone",
    "aimet": "each operator alone: output error (its evaluation callback)",
    "nncf": "all but one group: output error (its metric), on OpenVINO's int8 kernels",
}
COMPARED = {"aimet": "scores", "nncf": "gains"}
"""Which of our numbers a peer's order is held against, where it measures nearly the same: alone, or left out."""


@dataclass(frozen=True)
class Found:
    """What one tool told.

    Attributes:
        version: the tool's.
        seconds: of its ranking.
        float_pass: of its own float pass over the same data.
        layers: convolutions and linear layers of the model.
        measured: whole evaluations that the ranking made; None where it works otherwise.
        peak_rss: bytes.
        scores: by layer; more is worse.
        gains: qdebug's alone: what leaving each layer out of a fully quantized model gains.
    """

    version: str
    seconds: float
    float_pass: float
    layers: int
    peak_rss: int
    scores: Mapping[str, float]
    measured: int | None = None
    gains: Mapping[str, float] = field(default_factory=dict)

    @property
    def passes(self) -> float:
        """Float passes per layer."""
        return self.seconds / self.float_pass / self.layers


def read(printed: str) -> Found:
    """What a script told: the last line that is a JSON object. Tools print a lot.

    Raises:
        ValueError: it told nothing, or not what was asked for.
    """
    for line in reversed(printed.splitlines()):
        if line.startswith("{"):
            given: dict[str, Any] = json.loads(line)
            try:
                found = Found(**given)
            except TypeError as error:
                raise ValueError(f"not what was asked for: {error}") from None
            if min(found.seconds, found.float_pass, found.layers) <= 0:
                raise ValueError("no time or no layers")
            return found
    raise ValueError("it printed no JSON object")


def agreement(ours: Found, theirs: Found, tool: str) -> float | None:
    """Spearman's correlation of both orders over the layers that both know; None where the quantities differ."""
    if tool not in COMPARED:
        return None
    own: Mapping[str, float] = getattr(ours, COMPARED[tool])
    both = sorted(own.keys() & theirs.scores.keys())
    if len(both) < 3:
        return None
    return float(spearmanr([own[name] for name in both], [theirs.scores[name] for name in both])[0])


def table(answers: Mapping[str, Found | str]) -> str:
    """A Markdown table, a row for each tool; a text says why there is no answer. qdebug's must be there."""
    ours = answers["qdebug"]
    lines = [
        "| tool | what it measures | evaluations | float passes per layer | peak memory | order as ours |",
        "|---|---|---|---|---|---|",
    ]
    for tool, found in answers.items():
        if isinstance(found, str):
            lines.append(f"| {tool} | {found} | – | – | – | – |")
            continue
        same = agreement(ours, found, tool) if isinstance(ours, Found) else None
        lines.append(
            f"| {tool} {found.version} | {ABOUT[tool]} | {'–' if found.measured is None else found.measured} | "
            f"{found.passes:.2f} | {found.peak_rss / 1e6:.0f} MB | {'–' if same is None else f'{same:.2f}'} |"
        )
    return "\n".join(lines)

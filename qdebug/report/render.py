"""One HTML file from a template: opened without a network, read on paper, safe whatever a layer is called."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import msgspec
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from qdebug.errors import written_out
from qdebug.figures import colours, numbers
from qdebug.figures.text import listed, plural, shorten
from qdebug.results.base import Result

_HERE = Path(__file__).parent / "assets"
_PLAIN = {
    "ground": colours.GROUND, "panel": colours.PANEL, "ink": colours.INK, "muted": colours.MUTED, "rule": colours.RULE,
    "accent": colours.ACCENT, "trouble": colours.TROUBLE_TEXT,
    **{f"{name}-mark": tone for name, tone in colours.MARK.items()},
    **{f"{name}-text": tone for name, tone in colours.TEXT.items()},
}  # fmt: skip
_DRAWN = (
    colours.GROUND, colours.PANEL, colours.INK, colours.MUTED, colours.RULE, colours.PLAIN, colours.ACCENT,
    colours.ROUNDING, colours.CLIPPING, colours.TROUBLE_TEXT, *colours.MARK.values(), *colours.TEXT.values(),
)  # fmt: skip
"""Every colour that a chart may have, so that a page on dark ground can draw the same chart there."""


def whole(template: str, subject: Result, figures: Mapping[str, go.Figure], **values: Any) -> str:
    """A page with its charts, what draws them, and its own data as JSON.

    A policy in its head lets a browser run the two scripts that are known by their digests and no other, and ask no
    host for anything.

    Args:
        template: name of the template.
        subject: what the page is about; its JSON is in the page.
        figures: charts on light ground by the names that the template calls them by.
        values: what else the template needs.
    """
    drawn = {name: _plain(figure) for name, figure in figures.items()}
    code, plotly = (_HERE / "report.js").read_text("utf-8"), get_plotlyjs()
    return (
        _templates()
        .get_template(template)
        .render(
            titles={name: _taken_title(figure) for name, figure in drawn.items()},
            figures=Markup(_script_safe(drawn)),
            data=Markup(_script_safe(msgspec.json.decode(msgspec.json.encode(subject)))),
            darker=Markup(_script_safe({tone.light.lower(): tone.dark for tone in _DRAWN})),
            tones=_PLAIN,
            style=Markup((_HERE / "report.css").read_text("utf-8")),
            scripts=[Markup(plotly), Markup(code)],
            allowed=" ".join(f"'sha256-{_digest(script)}'" for script in (plotly, code)),
            **values,
        )
    )


@cache
def _templates() -> jinja2.Environment:
    """Everything that is put into the page is escaped and can be seen, unless the page's own code made it."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, finalize=_seen,
    )  # fmt: skip
    found.globals |= {
        "n": numbers, "plural": plural, "listed": listed, "shorten": shorten, "precision": colours.precision,
    }  # fmt: skip
    return found


def _seen(value: object) -> object:
    """What is put into the page, so that every character of it can be seen; the page's own code as it is."""
    return written_out(value, but="\n") if isinstance(value, str) and not isinstance(value, Markup) else value


def _plain(figure: go.Figure) -> dict[str, Any]:
    """A chart as plain values, without Plotly's own default colours."""
    plain = json.loads(figure.to_json() or "{}")
    plain["layout"].pop("template", None)
    return {"data": plain["data"], "layout": plain["layout"]}


def _taken_title(plain: dict[str, Any]) -> str:
    """A chart's finding as plain text, which stands above the chart; figures hold it escaped, as Plotly reads tags."""
    return Markup(plain["layout"].pop("title", {}).get("text") or "").striptags()


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _script_safe(value: object) -> str:
    """JSON that no name can end a script with."""
    text = json.dumps(value, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

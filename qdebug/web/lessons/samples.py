"""Samples of the data with their pictures."""

from __future__ import annotations

import html

from qdebug.figures import numbers
from qdebug.figures.picture import data_uri
from qdebug.figures.text import plural, shorten
from qdebug.results import SettingSample
from qdebug.web.core import words


def setters_html(samples: tuple[SettingSample, ...]) -> str:
    """The samples that set ends of ranges: which, how many ends, and what would be narrower without them."""
    head = "".join(f'<th scope="col">{text}</th>' for text in ("sample", "picture", "label", "sets", "without it"))
    return words.scrolling(f'<table class="q-setters"><tr>{head}</tr>{"".join(map(_row, samples))}</table>')


def _row(one: SettingSample) -> str:
    shown = ""
    if one.picture is not None:
        alt = f"calibration sample {one.sample}"
        shown = f'<img class="q-picture" src="{data_uri(one.picture)}" alt="{alt}" width="40" height="40">'
    narrower = f"{shorten(one.narrowest, 24)} {numbers.share(one.narrower)} narrower"
    return (
        f"<tr><td>{one.sample}</td><td>{shown}</td><td>{html.escape(one.label)}</td>"
        f"<td>{plural(one.limits, 'end')}</td><td>{html.escape(narrower)}</td></tr>"
    )

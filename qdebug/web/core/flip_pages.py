"""Changed answers page by page: which direction, which page, the cards or the table, and what the figures are."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import numbers
from qdebug.figures.comparison import direction_words
from qdebug.results import Flips
from qdebug.results.comparison import Direction
from qdebug.web.core import state, words
from qdebug.web.core.flip_cards import flips_html

PAGE = 24
ALL = "all"
_WAYS: tuple[Direction, ...] = ("lost", "gained", "other")
_NOTE = {
    "sample": "Figures are margins: how far each side scores its answer above the other's. Most decided first.",
    "token": "Figures are margins: how far each side scores its token above the other's. Most decided first.",
    "image": "Figures are each side's share of wrong pixels. Those that changed most come first.",
    "output": "Figures are ‖error‖ / ‖float output‖ of each side. Those that moved most come first.",
}


def seen(place: str, about: tuple[str, ...]) -> tuple[Direction | None, int]:
    """Which direction and page is looked at in a place on the screen; what is about something else starts anew."""
    known, way, start = st.session_state.get(f"{place}-seen", ((), None, 0))
    return (way, start) if known == about else (None, 0)


def draw(
    place: str, about: tuple[str, ...], found: Flips, *, fresh: bool, page: int = PAGE, from_float: bool = False
) -> None:
    """A page, and what turns it.

    Args:
        place: names the place on the screen.
        about: names what is compared.
        found: the page.
        fresh: whether it is the page that was asked for.
        page: rows of a page.
        from_float: whether A is the float model and B what became of it.
    """
    with st.container(key=f"{place}-pages", horizontal=True, horizontal_alignment="distribute",
                      vertical_alignment="center", gap="small"):  # fmt: skip
        _choice(place, about, found, from_float=from_float)
        _turn(place, about, found, page, fresh=fresh)
    st.html(flips_html(found, from_float=from_float))
    st.html(words.quiet(_NOTE[found.unit]))


def _choice(place: str, about: tuple[str, ...], found: Flips, *, from_float: bool) -> None:
    named = {ALL: f"all {numbers.count(sum(found.counts))}"}
    for way, many in zip(_WAYS, found.counts, strict=True):
        if many:
            said = way if from_float else direction_words(way, found.unit, found.reference)  # there the title says it
            named[way] = f"{said} {numbers.count(many)}"
    if len(named) > 2:  # of one direction alone there is nothing to choose
        key = f"{place}-way"
        st.segmented_control(
            "Direction", list(named), key=state.put(key, seen(place, about)[0] or ALL), required=True,
            format_func=lambda one: str(named.get(one, one)), label_visibility="collapsed",
            on_change=lambda: _look(place, about, st.session_state[key], 0),
        )  # fmt: skip


def _turn(place: str, about: tuple[str, ...], found: Flips, page: int, *, fresh: bool) -> None:
    if found.total <= page:
        return
    last = found.start + len(found.rows)
    with st.container(key=f"{place}-turn", horizontal=True, horizontal_alignment="right", vertical_alignment="center",
                      gap="small", width="content"):  # fmt: skip
        st.html(words.quiet(f"{found.start + 1:,}–{last:,} of {found.total:,}"), width="content")
        for label, step, over in (("Back", -page, found.start == 0), ("Next", page, last >= found.total)):
            st.button(
                label, key=f"{place}-{label.lower()}", disabled=over or not fresh, on_click=_look,
                args=(place, about, found.direction or ALL, max(0, found.start + step)), width="content",
            )  # fmt: skip


def _look(place: str, about: tuple[str, ...], way: str, start: int) -> None:
    wanted = next((one for one in _WAYS if one == way), None)
    st.session_state[f"{place}-seen"] = (about, wanted, start)

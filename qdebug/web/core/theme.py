"""Colours and type of the page: the table of colours as CSS variables, and the style sheet."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.figures import colours

ASSETS = Path(__file__).parents[1] / "assets"
SHEETS = ("app", "lessons")
"""The style sheets, in the order that they are read in."""
WATCH = "theme-watch"


def is_dark() -> bool:
    """Whether the browser shows the dark theme: what it told us itself, or, before it did, what Streamlit believes."""
    told = st.session_state.get(WATCH, {}).get("scheme")
    return (told or st.context.theme.type) == "dark"


@cache
def _watcher() -> Any:
    return component("qdebug_theme", html="<span></span>", js=(ASSETS / "theme.js").read_text("utf-8"))


@cache
def style_sheet(dark: bool = False) -> str:
    """The style sheet with the colour table in front, as ``--q-…`` variables that follow the theme by themselves.

    They are inherited, so that components in a shadow root see them too. Dialogs lie outside the app's own element, and
    are told which theme it is.
    """
    named = {
        "ground": colours.GROUND, "panel": colours.PANEL, "ink": colours.INK, "muted": colours.MUTED,
        "rule": colours.RULE, "plain": colours.PLAIN, "accent": colours.ACCENT, "trouble": colours.TROUBLE,
        "trouble-text": colours.TROUBLE_TEXT, "rounding": colours.ROUNDING, "clipping": colours.CLIPPING,
    }  # fmt: skip
    named |= colours.MARK
    named |= {f"{name}-text": tone for name, tone in colours.TEXT.items()}
    lines = "".join(f"--q-{name}:light-dark({tone.light},{tone.dark});" for name, tone in named.items())
    lines += "}[data-testid=stDialog]{color-scheme:" + ("dark" if dark else "light")
    sheets = "\n".join((ASSETS / f"{name}.css").read_text("utf-8") for name in SHEETS)
    return f"<style>.stApp,[data-testid=stDialog]{{{lines}}}\n{sheets}</style>"


def apply() -> None:
    """Send the style sheet to the page, and have it tell us when somebody changes its theme."""
    st.html(style_sheet(is_dark()))
    with st.container(key="hidden"):
        _watcher()(key=WATCH, data="dark" if is_dark() else "light", on_scheme_change=lambda: None)

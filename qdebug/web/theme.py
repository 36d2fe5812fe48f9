"""Colours and type of the page: the table of colours as CSS variables, and the style sheet."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from qdebug.figures import colours

ASSETS = Path(__file__).parent / "assets"


def is_dark() -> bool:
    """Whether the browser shows the dark theme."""
    return st.context.theme.type == "dark"


@cache
def style_sheet() -> str:
    """The style sheet with the colour table in front, as ``--q-…`` variables that follow the theme by themselves.

    They are inherited, so that components in a shadow root see them too.
    """
    named = {
        "ground": colours.GROUND, "panel": colours.PANEL, "ink": colours.INK, "muted": colours.MUTED,
        "rule": colours.RULE, "plain": colours.PLAIN, "accent": colours.ACCENT, "trouble": colours.TROUBLE,
        "trouble-text": colours.TROUBLE_TEXT, "rounding": colours.ROUNDING, "clipping": colours.CLIPPING,
    }  # fmt: skip
    named |= colours.MARK
    named |= {f"{name}-text": tone for name, tone in colours.TEXT.items()}
    lines = "".join(f"--q-{name}:light-dark({tone.light},{tone.dark});" for name, tone in named.items())
    return f"<style>.stApp{{{lines}}}\n{(ASSETS / 'app.css').read_text('utf-8')}</style>"


def apply() -> None:
    """Send the style sheet to the page."""
    st.html(style_sheet())

"""Words as the screens set them: recipes in words (:mod:`qdebug.figures.recipe_words`), and remarks in HTML."""

from __future__ import annotations

from qdebug.errors import written_out
from qdebug.figures.glossary import explained
from qdebug.figures.recipe_words import (
    COMPRESSED,
    PRESETS,
    Pill,
    fix_in_words,
    inside,
    plan_in_words,
    preset_of,
    recipe_pills,
    recipe_title,
    short_name,
    written,
)

__all__ = [
    "COMPRESSED", "fix_in_words", "inside", "lead", "literal", "Pill", "plan_in_words", "preset_of", "PRESETS", "quiet",
    "recipe_pills", "recipe_title", "scrolling", "short_name", "written",
]  # fmt: skip

_SIGNS = frozenset("\\`*_{}[]()<>#+-.!|:~$&")
"""What Markdown, and Streamlit's own signs for colours, icons and formulas, begin with."""


def literal(text: str) -> str:
    """Text for the label of a widget, which reads Markdown: every sign stands for itself, and can be seen."""
    return "".join(f"\\{one}" if one in _SIGNS else one for one in written_out(text))


def quiet(sentence: str) -> str:
    """A sentence set as a remark, in which terms explain themselves."""
    return f'<p class="q-quiet">{explained(sentence)}</p>'


def lead(sentence: str) -> str:
    """A sentence set before what it sums up, in which terms explain themselves."""
    return f'<p class="q-lead">{explained(sentence)}</p>'


def scrolling(content: str, *, tall: bool = False) -> str:
    """HTML in a frame that scrolls when it is high, and that the keyboard can scroll too."""
    return f'<div class="q-scroll{" q-tall" if tall else ""}" tabindex="0">{content}</div>'

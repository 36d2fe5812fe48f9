"""The one table of colours. Colour means precision: the fewer bits, the warmer.

Each colour has a tone for light and one for dark ground, and a tone for text, whose contrast with its ground is at
least 4.5 to 1. The hues are those of Okabe and Ito (2008), which people with any colour vision can tell apart.
"""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.formats import FORMATS


@dataclass(frozen=True, slots=True)
class Tone:
    """One colour on light and on dark ground."""

    light: str
    dark: str

    def on(self, dark: bool) -> str:
        """The hex colour for that ground."""
        return self.dark if dark else self.light


#: What fills a mark, by precision class.
MARK: dict[str, Tone] = {
    "p32": Tone("#5b6470", "#97a1af"),
    "p16": Tone("#0072B2", "#3f97d6"),
    "p8": Tone("#009E73", "#22b387"),
    "p4": Tone("#E69F00", "#eaae33"),
    "p2": Tone("#D55E00", "#f07f3a"),
}

#: What writes the same on its own tint.
TEXT: dict[str, Tone] = {
    "p32": Tone("#434a54", "#b9c1cc"),
    "p16": Tone("#005688", "#7cbcec"),
    "p8": Tone("#00664b", "#56d0a9"),
    "p4": Tone("#7d5700", "#f1c469"),
    "p2": Tone("#9c4500", "#f6a172"),
}

GROUND = Tone("#ffffff", "#14181d")
PANEL = Tone("#f7f8fa", "#1b2027")
INK = Tone("#1b222b", "#e7ebf0")
MUTED = Tone("#5d6875", "#9aa6b4")
RULE = Tone("#e2e6eb", "#2c343d")
#: Marks that stand for no precision: bars of a histogram, channels that are all right.
PLAIN = Tone("#b9c0c9", "#56606c")
#: In a picture of signed numbers, what is below zero; what is above is INK. A hue that stands for no precision.
NEGATIVE = Tone("#93317c", "#d77fbf")
ACCENT = Tone("#0b5f95", "#6db6ea")
ROUNDING = Tone("#56B4E9", "#8acdf2")
CLIPPING = Tone("#D55E00", "#f07f3a")
#: Trouble is vermilion and always carries this mark as well.
TROUBLE = CLIPPING
TROUBLE_TEXT = Tone("#b34c00", "#f6a172")
TROUBLE_MARK = "◆"


def precision(name: str) -> str:
    """The class of a format's name or plan label (``int4 g32``): ``p32``, ``p16``, ``p8``, ``p4`` or ``p2``."""
    form = FORMATS.get(name.split(" ", maxsplit=1)[0])
    bits = form.bits if form else 32
    for least, label in ((32, "p32"), (16, "p16"), (7, "p8"), (4, "p4")):
        if bits >= least:
            return label
    return "p2"


def of_format(name: str, dark: bool) -> str:
    """The hex colour that stands for a format's name or plan label, wherever it is drawn."""
    return MARK[precision(name)].on(dark)

"""The field's terms, each in a sentence and with its lesson, and texts in which they explain themselves."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from functools import cache

from qdebug.figures.text import escaped


@dataclass(frozen=True, slots=True)
class Term:
    """A term.

    Attributes:
        name: as it stands in a list.
        said: what it means.
        lesson: the lesson that teaches it; empty where none does.
        also: other ways that it is written in texts.
    """

    name: str
    said: str
    lesson: str = ""
    also: tuple[str, ...] = ()


TERMS = (
    Term("scale", "the real distance between two neighbouring codes", "affine", ("scales",)),
    Term("zero point", "the code that stands for the real number 0", "affine", ("zero points",)),
    Term("code", "the small whole number that is kept in place of a real one", "affine", ("codes",)),
    Term("clip range", "the real numbers between the first and the last code; what lies outside is set to its end",
         "clipping", ("clip ranges", "clip limits", "clipped", "clipping")),
    Term("rounding", "moving a value to the nearest code, by half a step at most", "clipping", ("rounded",)),
    Term("symmetric", "with the zero point at 0: as many codes below it as above", "symmetric"),
    Term("affine", "with a zero point anywhere, so that codes cover the values there are", "symmetric"),
    Term("per tensor", "one scale for all values of a tensor", "granularity"),
    Term("per channel", "one scale for each output channel", "granularity"),
    Term("granularity", "how many values share a scale", "granularity"),
    Term("bits per weight", "the size of all weights, scales and zero points counted, over their number",
         "granularity"),
    Term("calibration", "sending some inputs through the float network to see what ranges its activations have",
         "calibration", ("calibrated",)),
    Term("min–max", "the range from the smallest to the largest value that was seen", "calibration"),
    Term("dynamic", "with ranges that are measured for each input while the network runs", "dynamic"),
    Term("per token", "one scale for each row of a transformer's activations", "dynamic"),
    Term("cross-layer equalization", "carrying range from one layer to the next, channel by channel, so that one scale "
         "fits all; the float network stays what it was", "equalization", ("Cross-layer equalization",)),
    Term("depthwise", "of a convolution: each channel has a small filter of its own", "equalization"),
    Term("bias correction", "taking the mean of the error away through the bias", "bias", ("Bias correction",)),
    Term("outlier channels", "channels with values far larger than those of the others", "outliers",
         ("outlier channel",)),
    Term("SmoothQuant", "moving range from a layer's input into its weight, where it can be borne", "outliers"),
    Term("AdaRound", "learning for each weight whether it goes up or down", "rounding"),
    Term("GPTQ", "rounding weights column by column, the later ones making good for the earlier", "rounding"),
    Term("NF4", "a 4-bit format with its codes at the quantiles of a normal distribution", "formats"),
    Term("MXFP4", "4-bit floats in blocks of 32 that share a power of two", "formats"),
    Term("NVFP4", "4-bit floats in blocks of 16 that share an 8-bit float", "formats"),
    Term("crest factor", "the largest magnitude over the root mean square", "formats", ("crest factors",)),
    Term("sensitivity", "what quantizing a layer does to the whole network", "mixture"),
    Term("mixed precision", "giving each layer the format that it needs", "mixture", ("Mixed precision",)),
    Term("fake quantization", "rounding to codes and going on in floats, to see what a runtime would lose", "deployed"),
    Term("straight-through", "passing a gradient through rounding as if it were not there", "training"),
    Term("distillation", "training a network to answer as another one does", "training"),
    Term("SQNR", "signal to quantization noise ratio in decibels: 6 dB are one bit", "affine"),
    Term("flips", "predictions that quantization has changed, for the better or the worse", "groups", ("flip",)),
    Term("95 % interval", "where the number would lie in 95 of 100 repetitions with other samples of the same kind"),
    Term("perplexity", "how many tokens a language model hesitates between, on average; less is better"),
    Term("Pareto front", "recipes of which none is beaten in both size and accuracy", "mixture"),
)  # fmt: skip


@cache
def _written() -> tuple[re.Pattern[str], dict[str, Term]]:
    """A pattern of all ways that terms are written, longest first, and the term of each."""
    ways = {html.escape(way): term for term in TERMS for way in (term.name, *term.also)}
    longest = sorted(ways, key=len, reverse=True)
    return re.compile(rf"(?<![\w-])(?:{'|'.join(map(re.escape, longest))})(?![\w-])"), ways


def explained(text: str, most: int = 3) -> str:
    """A plain text as HTML in which the first terms show on hover what they mean, and lead to their lessons.

    Args:
        text: what is said, not yet escaped.
        most: how many are explained; each once.
    """
    return marked(escaped(text), most)


def marked(markup: str, most: int = 3) -> str:
    """The same of what is HTML already; what stands inside tags stays.

    Args:
        markup: what is said.
        most: how many terms are explained.
    """
    pattern, ways = _written()
    seen: set[str] = set()

    def mark(found: re.Match[str]) -> str:
        term = ways[found[0]]
        if term.name in seen or len(seen) == most:
            return found[0]
        seen.add(term.name)
        said = html.escape(f"{term.name}: {term.said}")
        if not term.lesson:
            return f'<abbr class="q-term" title="{said}">{found[0]}</abbr>'
        return f'<a class="q-term" href="lesson-{term.lesson}" target="_blank" title="{said}">{found[0]}</a>'

    pieces = re.split(r"(<[^>]*>)", markup)
    return "".join(piece if at % 2 else pattern.sub(mark, piece) for at, piece in enumerate(pieces))


def list_html() -> str:
    """All terms with what they mean."""
    rows = "".join(
        f"<dt>{html.escape(term.name)}</dt><dd>{html.escape(term.said)}</dd>"
        for term in sorted(TERMS, key=lambda one: one.name.lower())
    )
    return f'<dl class="q-facts q-terms">{rows}</dl>'

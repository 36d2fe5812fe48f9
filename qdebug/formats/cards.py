"""The spec card of a format: what a person reads about it."""

from __future__ import annotations

from dataclasses import dataclass

from qdebug.formats.blocks import Block, Codebook, Gguf
from qdebug.formats.floats import Float
from qdebug.formats.qformat import Integer, QFormat
from qdebug.formats.tables import Table


@dataclass(frozen=True, slots=True)
class SpecCard:
    """A format in numbers and words. Magnitudes are in units of the scale.

    Attributes:
        name, title, family: how it is called.
        bits: of one code.
        bits_per_weight: with scales, as usually stored.
        scales: which values share a scale and what it is.
        largest: the largest finite magnitude; 0 where it is learned from the data.
        smallest_normal: the smallest magnitude with full precision; None where all have the same.
        smallest: the smallest magnitude above zero.
        specials: codes that are no finite number.
        points: all finite code points, ascending, for formats of at most 8 bits with fixed levels.
        activations: whether activations can have it.
        runs_on, source, proof: who runs it, who defined it, which test holds us to that.
    """

    name: str
    title: str
    family: str
    bits: float
    bits_per_weight: float
    scales: str
    largest: float
    smallest_normal: float | None
    smallest: float
    specials: tuple[str, ...]
    points: tuple[float, ...]
    activations: bool
    runs_on: tuple[str, ...]
    source: str
    proof: str


def card(form: QFormat) -> SpecCard:
    """The spec card of a format."""
    return SpecCard(
        name=form.name, title=form.title, family=form.family, bits=form.bits, bits_per_weight=form.bits_per_weight,
        scales=_scales(form), largest=form.largest, smallest_normal=_smallest_normal(form), smallest=form.smallest,
        specials=form.specials, points=form.levels, activations=form.for_activations, runs_on=form.runs_on,
        source=form.source, proof=form.proof,
    )  # fmt: skip


def facts(one: SpecCard) -> dict[str, str]:
    """A card as words by what they are about, in the order people read them; numbers in full."""
    said = {
        "title": one.title,
        "bits": f"{one.bits:g} per code, {one.bits_per_weight:g} per weight as usually stored",
        "scales": one.scales,
        "largest": number(one.largest) if one.largest else "learned from the tensor",
        "smallest normal": number(one.smallest_normal) if one.smallest_normal else "",
        "smallest above 0": number(one.smallest) if one.smallest else "",
        "special values": ", ".join(one.specials) or "none",
        "activations": "yes" if one.activations else "no, a format for weights",
        "runs on": ", ".join(one.runs_on) or "no runtime we know of",
        "source": one.source,
        "proof": f"tests/{one.proof}",
    }
    return {key: value for key, value in said.items() if value}


def number(value: float) -> str:
    """A number of a specification, with all the digits that matter: ``65504``, ``0.001953125``, ``3.40282347e+38``."""
    return f"{value:.9g}"


def _smallest_normal(form: QFormat) -> float | None:
    element = form.element if isinstance(form, Block) else form
    return element.smallest_normal if isinstance(element, Float) else None


def _scales(form: QFormat) -> str:
    match form:
        case Block(scale="e8m0"):
            return f"block of {form.size}, power of two (E8M0)"
        case Block():
            return f"block of {form.size}, E4M3, times one float32 per tensor"
        case Gguf(size=256):
            runs = f"runs of {form.run} with {'6-bit scale and minimum' if form.minimum else '8-bit scale'}"
            return f"block of 256 with float16, {runs}"
        case Gguf():
            return f"block of {form.size}, float16{' scale and minimum' if form.minimum else ''}"
        case Codebook(dimension=1):
            return "no scale: one codebook per tensor or channel"
        case Codebook():
            return f"no scale: one codebook per tensor for {form.dimension} weights at once"
        case Table(usual_group=0) | Integer():
            return "tensor, channel, group, block or token" if form.for_activations else "tensor, channel or group"
        case Table():
            return f"groups of {form.usual_group} (or tensor, channel), float32 or double quantized"
        case _:
            return "tensor, channel, group, block or token" if form.needs_scale else "none"

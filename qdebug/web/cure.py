"""Cure next to cause: what would help the chosen layer, measured, one click away."""

from __future__ import annotations

import html
from dataclasses import dataclass

import msgspec
import streamlit as st

from qdebug.figures import numbers
from qdebug.figures.tradeoff import harmless
from qdebug.formats import find
from qdebug.jobs.verbs import GetFixes, GetScore
from qdebug.recipes import Recipe, with_fix
from qdebug.recipes.fixes import BY_NAME, name_of
from qdebug.results import FixCard, LayerInfo, ModelInfo, Score
from qdebug.web import ask, edits, state


@dataclass(frozen=True, slots=True)
class Cure:
    """A change that might help a layer: its name, why it applies, the recipe that has it, and the score if measured."""

    title: str
    why: str
    recipe: Recipe
    score: Score | None = None


def draw(info: ModelInfo, layer: LayerInfo) -> None:
    """Offer what helps, best first; nothing where the recipe does no harm."""
    now = ask.look(GetScore(ref=state.ref(), recipe=state.recipe()), wait=0.0)
    if not isinstance(now, Score) or harmless(now):
        return
    cards = ask.quiet(GetFixes(ref=state.ref(), recipe=state.recipe())) or ()
    offered = cures(state.recipe(), info, layer, cards)
    measured = [scored(cure, ask.quiet(GetScore(ref=state.ref(), recipe=cure.recipe))) for cure in offered]
    best = helpful(now, tuple(measured))
    if best:
        with st.container(key="cure", gap="small"):
            st.html(cure_html(best[0]))
            with st.container(horizontal=True, gap="small"):
                for index, cure in enumerate(best):
                    value = numbers.metric_value(now.metric.name, cure.score.metric.quantized) if cure.score else ""
                    st.button(f"Apply {cure.title}" if index == 0 else f"{cure.title} instead: {value}", key=f"cure-{index}",
                              type="primary" if index == 0 else "secondary", on_click=state.change, args=(cure.recipe,))  # fmt: skip


def scored(cure: Cure, score: Score | None) -> Cure:
    """The cure with its score."""
    return Cure(cure.title, cure.why, cure.recipe, score)


def cures(recipe: Recipe, info: ModelInfo, layer: LayerInfo, cards: tuple[FixCard, ...]) -> tuple[Cure, ...]:
    """The fixes that apply at this layer and are not on yet, and one scale per channel where there is one for all."""
    found = []
    on = {name_of(fix) for fix in recipe.fixes}
    for card in cards:
        sites = [site for site in card.sites if layer.name in site.layers and site.refused is None]
        if sites and card.method not in on:
            chain = " → ".join(sites[0].layers)
            found.append(Cure(card.title, f"{card.about} Here it ties {chain}." if len(sites[0].layers) > 1 else card.about,
                              with_fix(recipe, BY_NAME[card.method]())))  # fmt: skip
    weight = edits.plan_of(recipe, layer).weight
    if weight.granularity == "tensor" and find(weight.format).is_integer:
        wanted = msgspec.structs.replace(weight, granularity="channel")
        found.append(Cure("Per-channel weights", "One scale per output channel in this layer alone.",
                          edits.with_options(recipe, info, layer, "weight", granularity=wanted.granularity)))  # fmt: skip
    return tuple(found)


def helpful(now: Score, measured: tuple[Cure, ...]) -> tuple[Cure, ...]:
    """Those measured to improve the metric, best first."""
    sign = 1 if now.metric.higher_is_better else -1
    better = [cure for cure in measured if cure.score and sign * (cure.score.metric.quantized - now.metric.quantized) > 0]
    return tuple(sorted(better, key=lambda cure: -sign * cure.score.metric.quantized if cure.score else 0.0))


def cure_html(cure: Cure) -> str:
    """The best cure in words, with the score that was measured for it."""
    assert cure.score is not None
    metric = cure.score.metric
    value = numbers.metric_value(metric.name, metric.quantized)
    return (
        f'<h3 class="q-chart-title">{html.escape(cure.title)} would help here</h3>'
        f'<p class="q-lead">{html.escape(numbers.metric_title(metric.name).capitalize())} {value}, measured. {html.escape(cure.why)}</p>'
    )

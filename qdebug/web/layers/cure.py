"""Cure next to cause: what would help the chosen layer, measured, one click away."""

from __future__ import annotations

from dataclasses import dataclass, replace

import streamlit as st

from qdebug.figures import numbers
from qdebug.figures.text import escaped
from qdebug.formats import find
from qdebug.jobs.verbs import GetFixes, GetScore
from qdebug.recipes import Recipe, with_fix
from qdebug.recipes.fixes import BY_NAME, name_of
from qdebug.results import FixCard, LayerInfo, ModelInfo, Score
from qdebug.web.core import ask, state, words
from qdebug.web.editing import edits

GROUP = 32
"""Input features per scale in the cure that is offered; every runtime with group-wise weights has it."""


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
    if not isinstance(now, Score) or now.metric.harmless:
        return
    if any(fix.pace != "live" for fix in state.recipe().fixes):
        return  # each cure would have the slow fix worked out anew
    cards = ask.quiet(GetFixes(ref=state.ref(), recipe=state.recipe())) or ()
    offered = cures(state.recipe(), info, layer, cards)
    requests = [GetScore(ref=state.ref(), recipe=cure.recipe) for cure in offered]
    scores = [ask.quiet(request) for request in requests]
    if any(ask.pending(request) for request in requests):  # an advice that changes under the cursor is none
        st.html('<p class="q-quiet">Measuring what would help here.</p>')
        return
    measured = [replace(cure, score=score) for cure, score in zip(offered, scores, strict=True)]
    best = helpful(now, tuple(measured))
    if best:  # more than one alternative would be a menu, not advice
        with st.container(key="cure", gap="small"):
            st.html(cure_html(best[0]))
            with st.container(horizontal=True, gap="small"):
                for index, cure in enumerate(best[:2]):
                    kind = "secondary" if index else "primary"
                    st.button(
                        button_text(cure, first=index == 0),
                        key=f"cure-{index}",
                        type=kind,
                        on_click=state.change,
                        args=(cure.recipe,),
                    )


def button_text(cure: Cure, *, first: bool) -> str:
    """What the button of a measured cure says."""
    if first or cure.score is None:
        return f"Apply {words.inside(cure.title)}"
    metric = cure.score.metric
    return f"{cure.title} instead: {numbers.metric_value(metric.name, metric.quantized)}"


def cures(recipe: Recipe, info: ModelInfo, layer: LayerInfo, cards: tuple[FixCard, ...]) -> tuple[Cure, ...]:
    """The fixes that apply at this layer and are not on yet, and finer scales where they are coarse."""
    found = []
    on = {name_of(fix) for fix in recipe.fixes}
    for card in cards:
        sites = [site for site in card.sites if layer.name in site.layers and site.refused is None]
        if sites and card.method not in on and card.pace == "live":
            chain = sites[0].path
            why = f"{card.about} Here it ties {chain}." if len(sites[0].layers) > 1 else card.about
            found.append(Cure(card.title, why, with_fix(recipe, BY_NAME[card.method]())))
    weight = edits.plan_of(recipe, layer).weight
    if weight.granularity == "tensor" and find(weight.format).is_integer:
        changed = edits.with_options(recipe, info, layer, "weight", granularity="channel")
        found.append(Cure("Per-channel weights", "One scale per output channel, in this layer alone.", changed))
    if weight.granularity != "group" and find(weight.format).is_integer and layer.in_features > GROUP:
        found.append(_grouped(recipe, info, weight.format))
    return tuple(found)


def _grouped(recipe: Recipe, info: ModelInfo, name: str) -> Cure:
    """Groups wherever a layer's weights have the same format and rows long enough."""
    plans = {layer.name: edits.plan_of(recipe, layer).weight for layer in info.layers}
    names = tuple(one for one, plan in plans.items() if plan.format == name and plan.granularity != "group")
    changed = edits.with_format(recipe, info, names, "weight", f"{name} g{GROUP}")
    why = f"One scale per {GROUP} input features: a wide weight spoils its own group and no more."
    return Cure(f"{name} in groups of {GROUP}", why, changed)


def helpful(now: Score, measured: tuple[Cure, ...]) -> tuple[Cure, ...]:
    """Those measured to improve the metric, best first."""
    sign = 1 if now.metric.higher_is_better else -1
    better = [
        cure for cure in measured if cure.score and sign * (cure.score.metric.quantized - now.metric.quantized) > 0
    ]
    return tuple(sorted(better, key=lambda cure: -sign * cure.score.metric.quantized if cure.score else 0.0))


def cure_html(cure: Cure) -> str:
    """The best cure in words, with the score that was measured for it."""
    assert cure.score is not None
    metric = cure.score.metric
    name = numbers.metric_title(metric.name)
    found = f"{name[0].upper()}{name[1:]} {numbers.metric_value(metric.name, metric.quantized)}, measured."
    return (
        f'<h3 class="q-chart-title">{escaped(cure.title)} would help here</h3>'
        f'<p class="q-lead">{escaped(found)} {escaped(cure.why)}</p>'
    )

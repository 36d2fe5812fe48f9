"""The overview: the verdict, which layers do the damage, what size costs."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import Candidate, numbers, share_bars, tradeoff
from qdebug.figures.glossary import marked
from qdebug.figures.text import escaped, input_in_words, plural
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import GetScore, GetShares, GetVerdict
from qdebug.recipes import Recipe, preset
from qdebug.results import ModelInfo, Score, Shares, Verdict
from qdebug.web.core import ask, chart, growing, state, words
from qdebug.web.core.theme import is_dark
from qdebug.web.editing import edits

#: Presets measured for comparison without being asked, where a score takes less than this many seconds.
COMPARED = ("w8a8", "w8a8-pc", "w4g32a16")
CHEAP = 5.0
ORDERS = {"worst": "worst first", "graph": "graph order"}


def verdict(info: ModelInfo) -> None:
    """The finding, in one sentence, before anything else."""
    growing.follow()
    ask.show("verdict", GetVerdict(ref=state.ref(), recipe=state.recipe()), _verdict)
    if info.float_note:
        st.html(words.quiet(info.float_note))
    for finding in info.findings:
        st.html(f'<p class="q-lead">◆ {escaped(finding)}</p>')


def _verdict(one: Verdict, fresh: bool) -> None:
    st.html(verdict_html(one))


def verdict_html(one: Verdict) -> str:
    """The verdict as the page's heading."""
    text = escaped(one.text).rstrip(".") + "."
    for name in one.worst:
        shown = escaped(name)
        text = text.replace(shown, f'<code class="q-name">{shown}</code>', 1)
    return f'<h1 class="q-verdict{"" if one.healthy else " q-bad"}">{marked(text)}</h1>'


def shares(info: ModelInfo) -> None:
    """A bar of each layer's share, predicted first and measured as it comes; clicking one leads to its layer."""
    request = GetShares(ref=state.ref(), recipe=state.recipe())
    growing.show("overview-shares", request, lambda found, running: _grown(info, request, found, running))


def _grown(info: ModelInfo, request: GetShares, found: Shares | None, running: Running | None) -> None:
    """What is known; before anything is, what was drawn last."""
    if found is not None and running is None:
        st.session_state.drawn["overview-shares"] = request
    if found is not None:
        _shares(info, found)
    elif (last := ask.before("overview-shares", request)) is not None:
        with st.container(key="body-overview-shares"):  # greyed, as whatever is not of the recipe at hand
            _shares(info, last)


def _shares(info: ModelInfo, found: Shares) -> None:
    recipe, score = state.recipe(), _score(state.recipe())
    formats = {layer.name: edits.plan_of(recipe, layer).weight.label for layer in info.layers}
    order = st.session_state.get("share-order") or "worst"
    said = ask.look(GetVerdict(ref=state.ref(), recipe=recipe), wait=0.0)
    worst = said.worst if isinstance(said, Verdict) else ()
    metric = score.metric.name if score else "accuracy"
    figure = chart.of(share_bars, found, formats, metric, dark=is_dark(), sort=order == "worst", worst=worst)
    chart.show(figure, "shares", "shares", on_select=lambda: _picked(info), selection_mode="points")
    left, right = st.columns([1, 1], vertical_alignment="center")
    left.segmented_control("Order", list(ORDERS), default="worst", key="share-order", format_func=ORDERS.__getitem__,
                           required=True, label_visibility="collapsed")  # fmt: skip
    right.html('<p class="q-quiet">Click a bar to open its layer.</p>')


def _picked(info: ModelInfo) -> None:
    picked = [point["y"] for point in st.session_state["shares"]["selection"]["points"]]
    if picked and any(layer.name == picked[0] for layer in info.layers):
        state.choose(picked[0])
        growing.leave("pages/layers.py")


def sizes(info: ModelInfo) -> None:
    """Size against metric: float, the recipe at hand, those tried in this session, a few presets."""
    with st.container(key="slot-sizes"):
        found = candidates()
        if found:
            chart.show(chart.of(tradeoff, found, dark=is_dark()), "tradeoff", "tradeoff")


def candidates() -> tuple[Candidate, ...]:
    """What is known so far; what is missing is asked for and added when it is there."""
    now = state.recipe()
    current = _score(now)
    if current is None:
        return ()
    tried = [one for one in state.history().tried if one != now]
    compared = [preset(text) for text in COMPARED] if current.seconds < CHEAP else []
    others = dict.fromkeys([*compared, *tried])
    found = [_candidate(one) for one in others if one != now]
    return (
        *(one for one in found if one),
        Candidate(words.recipe_title(now), current, "now", now.default.weight.label),
    )


def _candidate(recipe: Recipe) -> Candidate | None:
    score = ask.quiet(GetScore(ref=state.ref(), recipe=recipe))
    kind = "tried" if recipe.layers or recipe.fixes else "preset"
    return Candidate(words.recipe_title(recipe), score, kind, recipe.default.weight.label) if score else None


def _score(recipe: Recipe) -> Score | None:
    found = ask.look(GetScore(ref=state.ref(), recipe=recipe), wait=0.0)
    return found if isinstance(found, Score) else None


def story(info: ModelInfo) -> None:
    """What the model is, and the story it tells if it is a sample."""
    st.html(story_html(info))


def story_html(info: ModelInfo) -> str:
    """Facts and story."""
    inputs = "; ".join(f"{one.name} {input_in_words(one)}" for one in info.inputs)
    facts = {
        "model": info.title or info.name,
        "layers": f"{len(info.layers)}, {numbers.count(info.params)} parameters, {numbers.size(info.float_bytes)}",
        "input": inputs,
        "evaluated on": f"{numbers.count(info.n_eval)} samples, {info.task.replace('-', ' ')}",
        "calibrated on": info.calibration,
        "digest": info.digest,
    }
    if info.not_understood:
        facts["not understood"] = f"{plural(len(info.not_understood), 'thing')}: {'; '.join(info.not_understood[:5])}"
    rows = "".join(f"<dt>{key}</dt><dd>{escaped(value)}</dd>" for key, value in facts.items())
    told = f'<p class="q-lead">{escaped(info.story)}</p>' if info.story else ""
    return f'<h3 class="q-chart-title">{escaped(info.name)}</h3>{told}<dl class="q-facts">{rows}</dl>'

"""The overview's part on a diffusion model: what it draws in float and under the recipe, from the same noise."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import sampling_course
from qdebug.figures.picture import data_uri
from qdebug.figures.sampling import sampling_finding
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import GetSampling
from qdebug.results import ModelInfo, Sampling
from qdebug.web.core import ask, chart, clicked, state, words
from qdebug.web.core.theme import is_dark

IMAGES, SEED = 12, 0
WAYS = {"DDIM, 25 steps": (25, 0.0), "DDIM, 50 steps": (50, 0.0), "DDPM, every step": (0, 1.0)}
"""Steps (0 for all that the model has) and how much noise they add."""
EXPLAINED = (
    "Draws {images} images with the float and with the quantized network, from the same noise: {steps} steps, three "
    "small passes in each."
)
ABOUT = (
    "Pairs: float above, quantized below. “Own error” is the quantized network’s on the float trajectory, in one step; "
    "the trajectories part by what adds up of it."
)


def section(info: ModelInfo) -> None:
    """The images and the course, on a click; nothing for a model without a sampler."""
    if info.sampler is None:
        return
    with st.container(key="card-sampling"):
        way = st.segmented_control("Sampler", list(WAYS), default=next(iter(WAYS)), key="sampling-way", required=True)
        steps, eta = WAYS[way]
        steps = steps or info.sampler.steps
        request = GetSampling(ref=state.ref(), recipe=state.recipe(), images=IMAGES, steps=steps, eta=eta, seed=SEED)
        if clicked.is_wanted(request):
            ask.show("sampling", request, lambda found, _: _draw(found))
            return
        with st.container(key="sampling-choice", horizontal=True, vertical_alignment="center", gap="small"):
            st.html('<h2 class="q-card">What does it draw?</h2>', width="content")
            st.button("Draw images", key="sampling-start", on_click=clicked.start, args=(request,))
        st.html(words.quiet(EXPLAINED.format(images=IMAGES, steps=steps)))


def _draw(found: Sampling) -> None:
    st.html(f'<h2 class="q-found">{escaped(sampling_finding(found))}.</h2>{images_html(found)}')
    chart.show(chart.of(sampling_course, found, dark=is_dark()), "sampling", "sampling")
    st.html(words.quiet(ABOUT))


def images_html(found: Sampling) -> str:
    """A pair of pictures for each image, the farthest apart first."""
    order = sorted(range(len(found.distances)), key=lambda at: -found.distances[at])
    pairs = "".join(_pair(found, at) for at in order)
    return f'<div class="q-pairs">{pairs}</div>'


def _pair(found: Sampling, at: int) -> str:
    images = "".join(
        f'<img class="q-picture" src="{data_uri(one)}" alt="image {at}, {name}" width="56" height="56">'
        for one, name in ((found.float_[at], "float"), (found.quantized[at], "quantized"))
    )
    return f'<figure>{images}<figcaption class="q-quiet">{found.distances[at]:.3f}</figcaption></figure>'

"""Formats: two formats on one layer's values, and all of them against each other."""

import streamlit as st

from qdebug.web.formats import screen
from qdebug.web.shell import frame

if info := frame.model():
    left, right = st.columns([6, 5], gap="medium")
    with left:
        with st.container(key="formats-head", horizontal=True, vertical_alignment="center"):
            st.html('<h1 class="q-page">Formats</h1>')
            chosen = screen.values(info)
        looked_at = screen.pair(info, chosen)
        screen.settling_of(info, chosen)
    with right:
        screen.contest(chosen, looked_at)
    # fewer formats are for activations: there is room below their ranking
    with right if chosen.tensor == "activation" else left:
        screen.crests(chosen)

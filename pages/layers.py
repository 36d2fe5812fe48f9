"""Layers: a table of formats and errors or the model's graph, and beside it the chosen layer."""

import streamlit as st

from qdebug.web.editing import several
from qdebug.web.layers import along, cure, detail, graph, listing
from qdebug.web.shell import frame

if info := frame.model():
    left, right = st.columns([6, 5], gap="medium")
    with left:
        with st.container(key="layers-head", horizontal=True, vertical_alignment="center"):
            st.html('<h1 class="q-page">Layers</h1>')
            view = graph.view()
            several.draw(info)
        listing.draw(info, view)
        layer = listing.chosen(info)
        cure.draw(info, layer)
        along.draw(info, layer)
    with right:
        detail.draw(info, layer)

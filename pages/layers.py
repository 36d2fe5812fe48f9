"""Layers: the table of formats and errors, and beside it the chosen layer."""

import streamlit as st

from qdebug.web import cure, detail, frame, layers, several

if info := frame.model():
    left, right = st.columns([6, 5], gap="medium")
    with left:
        with st.container(key="layers-head", horizontal=True, vertical_alignment="center"):
            st.html('<h1 class="q-page">Layers</h1>')
            several.draw(info)
        layers.draw(info)
        layer = layers.chosen(info)
        cure.draw(info, layer)
    with right:
        detail.draw(info, layer)

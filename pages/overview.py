"""Overview: the verdict, the damage by layer, what size costs."""

import streamlit as st

from qdebug.web import cure, frame, layers, overview, subgroups

if info := frame.model():
    overview.verdict(info)
    subgroups.line()
    left, right = st.columns([6, 5], gap="large")
    with left:
        overview.shares(info)
        cure.draw(info, layers.worst(info))
        subgroups.section()
    with right:
        overview.sizes(info)
        overview.story(info)
    subgroups.table()

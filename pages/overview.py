"""Overview: the verdict, the damage by layer, what size costs."""

import streamlit as st

from qdebug.web.compare import baseline
from qdebug.web.layers import cure, listing
from qdebug.web.overview import fall, sampling, screen, subgroups
from qdebug.web.shell import frame

if info := frame.model():
    screen.verdict(info)
    subgroups.line()
    left, right = st.columns([6, 5], gap="large")
    with left:
        screen.shares(info)
        cure.draw(info, listing.worst(info))
        subgroups.section()
    with right:
        screen.sizes(info)
        fall.draw(info)
        baseline.draw()
        screen.story(info)
        sampling.section(info)
    subgroups.table()

"""Calibration: how many samples are enough, which set the ranges, what leaves them."""

import streamlit as st

from qdebug.web import calibration, groups
from qdebug.web.shell import frame

if info := frame.model():
    st.html('<h1 class="q-page">Calibration</h1>')
    left, right = st.columns([6, 5], gap="large")
    with right:  # first: it tells whether anything is calibrated at all
        calibration.coverage()
    with left:
        calibration.curve(info)
    calibration.setters()
    groups.draw(info)

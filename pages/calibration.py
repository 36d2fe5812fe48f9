"""Calibration: how many samples are enough, which set the ranges, what leaves them."""

import streamlit as st

from qdebug.web import calibration, frame

if info := frame.model():
    st.html('<h1 class="q-page">Calibration</h1>')
    left, right = st.columns([6, 5], gap="large")
    with left:
        calibration.curve(info)
    with right:
        calibration.coverage()
    calibration.setters()

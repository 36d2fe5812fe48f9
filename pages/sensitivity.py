"""Sensitivity: every layer in every format, predicted at once, measured on a click."""

from qdebug.web import frame, sensitivity

if info := frame.model():
    sensitivity.draw(info)

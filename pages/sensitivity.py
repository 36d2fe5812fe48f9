"""Sensitivity: every layer in every format, predicted at once, measured on a click."""

from qdebug.web.sensitivity import screen
from qdebug.web.shell import frame

if info := frame.model():
    screen.draw(info)

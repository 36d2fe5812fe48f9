"""Diagnose: why the recipe breaks the model, and what mends it."""

from qdebug.web import diagnosis
from qdebug.web.shell import frame

if frame.model():
    diagnosis.draw()

"""Diagnose: why the recipe breaks the model, and what mends it."""

from qdebug.web import diagnosis, frame

if frame.model():
    diagnosis.draw()

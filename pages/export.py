"""Export: the recipe as a file, whether a runtime computes the same, and how long it takes."""

from qdebug.web import export, frame, latency, verify

if info := frame.model():
    export.draw()
    verify.draw(info)
    latency.draw()

"""Files of weights, looked through without a model."""

from qdebug.web.scan import screen

screen.draw()

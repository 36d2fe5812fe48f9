"""Lessons: all of them, and how far one is."""

from qdebug.web.lessons import catalogue

catalogue.draw()

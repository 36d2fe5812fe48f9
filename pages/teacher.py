"""A workshop, as its teacher sees it."""

from qdebug.web.workshop import teacher

teacher.draw()

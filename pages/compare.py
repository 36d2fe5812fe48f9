"""Compare: two recipes side by side, one of them the pinned baseline if there is one."""

from qdebug.web.compare import screen
from qdebug.web.shell import frame

if info := frame.model():
    screen.draw(info)

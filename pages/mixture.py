"""Mixed precision: what precision buys, which layers give way first, and a mixture to take."""

from qdebug.web.mixture import screen
from qdebug.web.shell import frame

if info := frame.model():
    screen.draw(info)

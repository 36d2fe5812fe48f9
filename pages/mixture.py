"""Mixed precision: what precision buys, which layers give way first, and a mixture to take."""

from qdebug.web import frame, mixture

if info := frame.model():
    mixture.draw(info)

"""Export: the recipe as a file, whether a runtime computes the same, how long it takes, and a report to send."""

from qdebug.web.export import latency, report, screen, verify
from qdebug.web.shell import frame

if info := frame.model():
    screen.draw(info)
    verify.draw(info)
    latency.draw()
    report.draw()

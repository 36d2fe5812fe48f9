"""Which networks at which opsets a test runs with."""

from __future__ import annotations

import pytest

from tests.doors.architectures.zoo import ZOO

# Every network at one or two opsets each time; at all the others that its exporter reaches with ``-m slow``.
CASES = [
    pytest.param(name, opset, id=f"{name}-{opset}", marks=() if opset in zoo.opsets else pytest.mark.slow)
    for name, zoo in ZOO.items()
    for opset in zoo.reach
]
every_network = pytest.mark.parametrize(("name", "opset"), CASES)

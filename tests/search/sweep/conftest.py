"""Sessions and plain comparisons for tests of sweeps."""

import msgspec
import pytest
from msgspec.structs import replace

import qdebug
from qdebug.results import ModelRef
from qdebug.search.sensitivity import Question

SAMPLE = "digits-resnet"


@pytest.fixture(scope="session")
def resnet():
    return qdebug.open(SAMPLE)


@pytest.fixture
def question():
    return Question.of(["w4a8"])


@pytest.fixture
def ref():
    return ModelRef(model=SAMPLE)


@pytest.fixture
def plain():
    """What has to be the same however a sweep ran: all but what things took."""

    def bytes_of(found):
        rows = tuple(replace(row, seconds=0.0) for row in found.rows)
        return msgspec.json.encode(replace(found, rows=rows, seconds=0.0, forward_seconds=0.0, plan=None))

    return bytes_of

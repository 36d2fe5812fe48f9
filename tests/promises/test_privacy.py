"""Eight sessions with models of their own: none is sent anything of another's, and a mark that is sent is noticed."""

import base64
import random

import numpy as np
import onnx
import pytest

from benchmarks.promises.privacy import PROMISE, SCREENS, Heard
from benchmarks.promises.promise import Allowance
from benchmarks.promises.watermarks import drawn

MINE, OTHER = drawn(random.Random(1)), drawn(random.Random(2))


@pytest.mark.timeout(900)
def test_no_session_is_sent_anything_of_anothers():
    outcome = PROMISE.keep(Allowance(PROMISE.short))
    assert outcome.broken == ()
    assert outcome.tried == 8
    assert outcome.figures["messages searched"] > 8 * 100
    assert len(SCREENS) <= outcome.tried  # each begins at another screen


def heard(message):
    one = Heard(MINE, [OTHER])
    one.hear(message)
    return one


def test_a_mark_is_noticed_whichever_way_it_is_sent():
    value = np.float32(OTHER.value)
    array = np.array([0, 1, value, value, 2], np.float32)
    ways = [
        f"a layer called {OTHER.word}.layer1".encode(),
        repr(float(value)).encode(),
        array.tobytes(),
        array.astype(np.float64).tobytes(),
        *(base64.b64encode(b"x" * before + array.tobytes() + b"tail") for before in range(4)),
        *(base64.b64encode(b"x" * before + OTHER.word.encode() + b"tail") for before in range(4)),
        OTHER.network,
        OTHER.data,
    ]
    for way in ways:
        assert len(heard(way).broken) == 1, way[:100]


def test_ones_own_mark_is_counted_and_no_fault():
    one = heard(MINE.network)
    assert (one.messages, one.named, one.valued, one.broken) == (1, 1, 1, [])
    assert heard(b"nothing of anybody's").named == 0


def test_marked_files_are_a_model_and_its_data():
    model = onnx.load_from_string(MINE.network)
    onnx.checker.check_model(model)
    assert all(MINE.word in name for node in model.graph.node for name in (node.name, *node.input, *node.output))

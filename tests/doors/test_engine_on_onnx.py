"""The engine gives, byte for byte, what plain re-execution gives: of programs that come from ONNX files too."""

import random

import pytest
import torch

from qdebug.engine import ValueCache
from qdebug.session import open as open_model
from tests.engine.plain import execute
from tests.engine.test_against_plain import random_sheet

NETWORKS = ["resnet", "mobilenet-v3", "convnext", "unet", "bert", "llama", "lstm", "gru-two-way", "detector"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NETWORKS)
def test_random_edits_of_exported_networks(exported, name):
    network = exported(name, 18)
    session = open_model(network.path, dict(network.inputs), cache=ValueCache(1 << 28))
    engine, dice = session._subject.engine, random.Random(3)
    batch = session._subject.eval_batches[0]
    for _ in range(6):
        sheet = random_sheet(session, dice)
        expected = execute(sheet, batch.inputs)
        for _ in range(2):
            assert torch.equal(engine.output(sheet, batch), expected[: batch.count])

"""Classes and groups of opened data, from labels to the sentence."""

import numpy as np
import pytest
import torch
from torch import nn

from qdebug.cli.evaluate import describe
from qdebug.errors import DataError
from qdebug.measure import compare, predictions
from qdebug.session import open as open_model
from qdebug.session.subgroups import MOST


class Segmenter(nn.Module):
    def __init__(self, channels_last=False):
        super().__init__()
        self.classes, self.last = nn.Conv2d(3, 4, 3, padding=1), channels_last

    def forward(self, images):
        """``[N, 3, H, W]`` to ``[N, 4, H, W]``, or ``[N, H, W, 4]``."""
        found = self.classes(images)
        return found.permute(0, 2, 3, 1) if self.last else found


@pytest.mark.parametrize("channels_last", [False, True])
def test_classes_of_pixels_leave_out_what_is_no_target(channels_last):
    torch.manual_seed(0)
    model, images = Segmenter(channels_last).eval(), torch.randn(8, 3, 9, 7)
    output = model(images).detach()
    labels = output.argmax(-1 if channels_last else 1)
    labels[:, 0] = 255
    session = open_model(model, {"images": images, "labels": labels, "group": np.repeat([3, 12], 4)})
    found = session.subgroups("w3a8")
    classes = [row for row in found.rows if row.key == "class"]
    assert sum(row.predictions for row in classes) == found.overall.predictions == 8 * 8 * 7
    assert sum(row.flips for row in classes) == found.overall.flips > 0
    for row in classes:
        kept = torch.where(labels == int(row.name), labels, 255)
        quantized = session.output("w3a8", session.subject.eval_batches[0])
        alone = compare(*(predictions("segmentation", one, kept) for one in (output, quantized)), "segmentation")
        assert (row.delta, row.flips) == (pytest.approx(alone.delta), alone.flips)
    assert [row.name for row in found.rows if row.key == "group"] == ["3", "12"]


def linear(**more):
    torch.manual_seed(0)
    return open_model(nn.Linear(4, 3).eval(), {"input": torch.randn(12, 4), **more})


def test_data_that_name_no_two_have_no_rows():
    assert linear().subgroups("w8a8").rows == ()
    assert linear(labels=np.zeros(12, int), group=np.zeros(12)).subgroups("w8a8").rows == ()
    assert linear().evaluate("w8a8").groups == ()


def test_groups_without_labels_say_what_changed_most():
    session = linear(group=np.array(["a", "b"] * 6))
    rows = session.subgroups("w2a8").rows
    assert [(row.called, row.p) for row in rows] == [("group a", None), ("group b", None)]


def test_names_that_tell_samples_apart_are_left_out_and_it_is_said():
    torch.manual_seed(0)
    count = MOST + 1
    session = open_model(nn.Linear(4, 3).eval(), {"input": torch.randn(count, 4), "group": np.arange(count)})
    found = session.subgroups("w8a8")
    assert found.rows == ()
    assert f"{count:,} different values" in found.left_out


def test_a_group_is_one_name_a_sample():
    with pytest.raises(DataError, match=r"'group' has shape \[12, 2\]"):
        linear(group=np.zeros((12, 2)))


def test_the_text_of_an_evaluation_says_who_pays():
    session = open_model("digits-longtail")
    text = describe(session.evaluate("w4a8"), session.verdict("w4a8"))
    said = " ".join(text.split())
    assert "Class 1 lost 12.7 points (95 %: −22.1 to −2.47), more than chance explains among 13 classes" in said
    sound = describe(session.evaluate("w16a16"), session.verdict("w16a16"))
    assert "No class or group lost more than chance explains" in sound
    assert session.subgroups("w4a8") is session.subgroups("w4a8")

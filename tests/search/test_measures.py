"""Divergence and loss, predicted and measured together."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

import qdebug
from qdebug.errors import UsageError
from qdebug.recipes import LayerPlan, Recipe, TensorPlan, parse_weight_format
from qdebug.search.predict.predicted import error
from qdebug.search.predict.projector import Projector
from qdebug.search.question import alone
from qdebug.search.sensitivity import Question, sensitivity
from qdebug.search.sweep.plan import How

INT5 = parse_weight_format("int5-pc")


class Tokens(nn.Module):
    """Scores for each token, linear in its weights one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.mix, self.head = nn.Embedding(11, 12), nn.Linear(12, 12), nn.Linear(12, 7)

    def forward(self, tokens):
        return self.head(self.mix(self.embed(tokens)))


@pytest.fixture(scope="module")
def tokens():
    torch.manual_seed(0)
    dice = np.random.default_rng(0)
    labels = dice.integers(0, 7, (48, 5))
    labels[dice.random((48, 5)) < 0.3] = -100
    return qdebug.open(Tokens().eval(), {"tokens": dice.integers(0, 11, (48, 5)), "labels": labels})


def scores(session, recipe):
    return torch.cat([session.output(recipe, batch) for batch in session.subject.eval_batches]).double()


def test_exact_is_the_mean_over_targets_in_float64(tokens):
    labels = tokens.subject.data.labels
    target = labels >= 0
    for measure in ("kl", "loss"):
        question = Question.of(["w4a8"], measure=measure)
        found = sensitivity(tokens, question, "exact", how=How(leave_one_out=True))
        for row in found.rows:
            float_ = scores(tokens, Recipe()).log_softmax(-1)
            changed = scores(tokens, alone(question, row.layer, dict(question.formats)["w4a8"])).log_softmax(-1)
            if measure == "kl":
                places = F.kl_div(changed, float_, reduction="none", log_target=True).sum(-1)
            else:
                places = -(changed - float_).gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)
            assert row.exact == pytest.approx(float(places[target].mean()), rel=1e-6, abs=1e-9)
            assert row.predicted is not None
            assert row.linear


@pytest.mark.parametrize("measure", ["kl", "loss"])
def test_a_prediction_s_mean_over_directions_is_the_second_order(tokens, measure):
    projector = Projector(tokens, Recipe(), (INT5,), (), turns=256, measure=measure)
    found = projector.project(projector.parts())
    labels = tokens.subject.data.labels
    target = (labels >= 0).unsqueeze(-1)
    p = scores(tokens, Recipe()).softmax(-1)
    for layer in ("mix", "head"):
        change = scores(tokens, Recipe(layers=((layer, LayerPlan(weight=INT5)),))) - scores(tokens, Recipe())
        second = (p * change**2).sum(-1) - (p * change).sum(-1) ** 2
        by_hand = second / 2
        if measure == "loss":
            right = F.one_hot(labels.clamp(min=0), 7)
            by_hand = by_hand + ((p - right) * change).sum(-1)
        by_hand = float((by_hand * target.squeeze(-1)).sum() / target.sum())
        predicted = float(error(found, found.of(layer, INT5, TensorPlan())).mean())
        assert predicted == pytest.approx(by_hand, rel=0.05, abs=0.05 * float(second.mean()))


def test_embeddings_have_no_divergence():
    session = qdebug.open(nn.Linear(4, 3).eval(), {"input": np.ones((8, 4), np.float32)})
    for measure in ("kl", "loss"):
        with pytest.raises(UsageError, match="class scores"):
            sensitivity(session, Question.of(["w8a8"], measure=measure))

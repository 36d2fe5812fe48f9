"""Which metric a name means for a model and its data."""

import pytest
import torch

from qdebug.errors import UsageError
from qdebug.measure import OwnMetric, meter
from qdebug.measure.scores import Named

CLASSES, TOKENS, PLANES = (2, 10), (2, 7, 50), (2, 6, 8, 8)


@pytest.mark.parametrize(
    ("asked", "task", "output", "name"),
    [
        (None, "classification", CLASSES, "accuracy"),
        ("top5", "classification", CLASSES, "top5_accuracy"),
        ("Top-3", "classification", CLASSES, "top3_accuracy"),
        ("top1", "classification", CLASSES, "accuracy"),
        ("agreement", "classification", CLASSES, "agreement"),
        ("mse", "classification", CLASSES, "mse_to_float"),
        ("mse-to-float", "classification", CLASSES, "mse_to_float"),
        ("cosine", "classification", CLASSES, "cosine"),
        ("sqnr", "classification", CLASSES, "sqnr_db"),
        (None, "language-model", TOKENS, "perplexity"),
        ("perplexity", "language-model", TOKENS, "perplexity"),
        ("accuracy", "language-model", TOKENS, "token_accuracy"),
        ("top5", "language-model", TOKENS, "top5_accuracy"),
        (None, "segmentation", PLANES, "pixel_accuracy"),
        ("top2", "segmentation", PLANES, "top2_accuracy"),
        (None, "regression", PLANES, "mse"),
        ("mse", "regression", PLANES, "mse"),
        ("cosine", "regression", PLANES, "cosine"),
    ],
)
def test_a_name_is_the_metric_that_comes_out(asked: str | None, task: str, output: tuple[int, ...], name: str) -> None:
    from qdebug.measure import compare

    found = meter(asked, task, output, 2, has_labels=True)
    labels = {
        "classification": torch.tensor([1, 2]), "language-model": torch.ones(2, 7, dtype=torch.int64),
        "segmentation": torch.ones(2, 8, 8, dtype=torch.int64), "regression": torch.zeros(output),
    }[task]  # fmt: skip
    given = torch.randn(output, generator=torch.Generator().manual_seed(1))
    said = found.predictions(given, labels)
    assert compare(said, said, found.task).name == name


@pytest.mark.parametrize(
    ("asked", "task", "output", "says"),
    [
        ("top5", "unlabelled", CLASSES, "needs labels"),
        ("perplexity", "classification", CLASSES, "a next token for each position"),
        ("top10", "classification", CLASSES, "Give top1 to top9"),
        ("top0", "classification", CLASSES, "Give top1 to top9"),
        ("agreement", "regression", PLANES, "is of class scores"),
        ("cosine", "unlabelled", (2, 1), "compares directions"),
        ("acuracy", "classification", CLASSES, "Did you mean accuracy"),
        ("mine.txt:f", "classification", CLASSES, r"There is no metric.*path/to/file\.py:name"),
    ],
)
def test_what_does_not_fit_says_what_does(asked: str, task: str, output: tuple[int, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        meter(asked, task, output, 2, has_labels=task != "unlabelled")


def test_outputs_too_large_to_hold_are_refused_before_anything_runs() -> None:
    with pytest.raises(UsageError, match=r"those of 1000 samples are 95\.4 GiB.*: 20 would do"):
        meter("cosine", "language-model", (2, 512, 50_000), 1000, has_labels=True)


def test_what_is_kept_of_two_metrics_is_kept_apart() -> None:
    asked = [None, "top3", "top5", "cosine", "mse", "agreement", OwnMetric(len, Named("a"), "1"),
             OwnMetric(len, Named("a"), "2")]  # fmt: skip
    found = {meter(one, "classification", CLASSES, 2, has_labels=True).identity for one in asked}
    assert len(found) == len(asked)

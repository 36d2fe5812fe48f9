"""What a function of somebody's own is given, and what it is held to."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from qdebug.errors import MetricError
from qdebug.measure import OwnMetric
from qdebug.measure.scores import Named

OUTPUT, LABELS = torch.arange(12.0).reshape(4, 3), torch.tensor([0, 1, 2, 0])


def own(function: Callable[..., object]) -> OwnMetric:
    return OwnMetric(function, Named("mine"), "id", "mine.py:1")


def test_it_gets_float32_copies_and_its_scores_come_back_in_float64() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def mine(outputs: Tensor, labels: Tensor) -> Tensor:
        seen.append((outputs.clone(), labels.clone()))
        score = outputs.sum(1) + labels
        outputs.zero_()
        return score

    half = OUTPUT.to(torch.float16)
    assert own(mine).scores(half, LABELS).tolist() == [3.0, 13.0, 23.0, 30.0]
    outputs, labels = seen[0]
    assert (outputs.dtype, tuple(outputs.shape), labels.dtype) == (torch.float32, (4, 3), torch.int64)
    assert torch.equal(half, OUTPUT.to(torch.float16)), "the function has changed a copy"


@pytest.mark.parametrize("kind", [list, torch.tensor, lambda values: torch.tensor(values) > 1])
def test_lists_tensors_and_truth_values_are_scores(kind: Callable[[list[float]], object]) -> None:
    found = own(lambda outputs, _: kind([float(row[0]) for row in outputs])).scores(OUTPUT, None)
    assert found.dtype == "float64" and found.shape == (4,)


@pytest.mark.parametrize(
    ("returns", "says"),
    [
        (lambda x, _: x.mean(), "one number for a batch of 4 samples"),
        (lambda x, _: 1.5, "one number"),
        (lambda x, _: x, r"the shape \[4, 3\] for a batch of 4"),
        (lambda x, _: None, "returns None, no numbers"),
        (lambda x, _: ["a"] * len(x), "returns a list, no numbers"),
        (lambda x, _: torch.full((len(x),), torch.nan), "returns nan for sample 0"),
    ],
)
def test_what_is_no_number_a_sample_is_told_with_shapes(returns: Callable[..., object], says: str) -> None:
    with pytest.raises(MetricError, match=says) as error:
        own(returns).scores(OUTPUT, LABELS)
    assert error.value.where["outputs"] == "[4, 3] float32"
    assert error.value.where["labels"] == "[4] int64"


def test_a_broken_output_is_named_as_the_reason() -> None:
    output = OUTPUT.clone()
    output[2, 1] = torch.nan
    with pytest.raises(MetricError, match="for sample 2 of a batch, whose output holds NaN or Inf"):
        own(lambda x, _: x.sum(1)).scores(output, None)


def test_an_exception_names_function_line_and_shapes() -> None:
    def mine(outputs: Tensor, labels: Tensor) -> Tensor:
        return outputs @ labels.float()

    with pytest.raises(
        MetricError, match=r"The metric 'mine' fails: RuntimeError: .*outputs \[4, 3\] float32"
    ) as error:
        own(mine).scores(OUTPUT, LABELS)
    line = mine.__code__.co_firstlineno + 1
    assert error.value.where["file"].endswith(f"test_own_metric.py:{line}")
    assert isinstance(error.value.__cause__, RuntimeError)


def test_scores_that_depend_on_the_rest_of_the_batch_are_refused() -> None:
    with pytest.raises(MetricError, match=r"scores a sample by the others in its batch: sample 0 gets 0 alone and -13"):
        own(lambda x, _: x.sum(1) - x.sum(1).mean()).scores(OUTPUT, None)

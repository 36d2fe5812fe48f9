"""A tensor that lies in a file computes what one in memory computes, and is read only when something needs it."""

import pytest
import torch
from torch.nn import functional

from qdebug.graph.filed import FiledTensor, plain
from qdebug.graph.program import tensor_key

WEIGHT = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))


class Reads:
    """Counts what is read."""

    def __init__(self):
        self.whole, self.rows = 0, []

    def read(self):
        self.whole += 1
        return WEIGHT.clone()

    def read_rows(self, wanted):
        self.rows.append(wanted.tolist())
        return WEIGHT[wanted]


@pytest.fixture
def reads():
    return Reads()


@pytest.fixture
def weight(reads):
    return FiledTensor(WEIGHT.shape, reads.read, reads.read_rows)


def test_what_is_known_of_it_is_known_without_reading(weight, reads):
    assert (weight.shape, weight.dtype, weight.dim(), weight.numel()) == (WEIGHT.shape, torch.float32, 2, 24)
    assert weight.stride() == WEIGHT.stride() and weight.detach() is weight and weight.is_floating_point()
    assert reads.whole == 0


def test_operators_get_its_values_and_give_plain_tensors(weight, reads):
    x = torch.randn(3, 4)
    out = functional.linear(x, weight)
    assert type(out) is torch.Tensor and torch.equal(out, x @ WEIGHT.T) and reads.whole == 1
    assert torch.equal(torch.cat([weight, weight]), torch.cat([WEIGHT, WEIGHT]))
    assert torch.equal(weight[1:3].abs(), WEIGHT[1:3].abs()) and (weight.numpy() == WEIGHT.numpy()).all()
    assert tensor_key(weight) == tensor_key(WEIGHT)
    assert torch.equal(plain(weight), WEIGHT) and plain(WEIGHT) is WEIGHT


def test_an_embedding_reads_the_rows_that_occur_each_once(weight, reads):
    indices = torch.tensor([[5, 1, 5], [1, 1, 2]])
    assert torch.equal(functional.embedding(indices, weight), WEIGHT[indices])
    assert reads.rows == [[1, 2, 5]] and reads.whole == 0


def test_gradients_go_through_it_and_autograd_holds_the_file(weight, reads):
    x = torch.randn(3, 4, requires_grad=True)
    out = functional.linear(x, weight)
    out.sum().backward()
    assert torch.equal(x.grad, WEIGHT.sum(0).expand(3, 4)) and reads.whole == 2


def test_it_is_never_written_to(weight):
    with pytest.raises(RuntimeError, match="would write to a weight that lies in a file"):
        weight.mul_(2)
    with pytest.raises(RuntimeError, match="would write"):
        torch.add(WEIGHT, 1, out=weight)

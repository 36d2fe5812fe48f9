"""Data as Python has them, joined to arrays by forward's parameters; what does not fit is one clear error."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from qdebug.doors import batches
from qdebug.doors.batches import arrays_of
from qdebug.doors.signature import Signature, signature_of
from qdebug.errors import DataError, UsageError

X = torch.arange(40.0).reshape(10, 4)
Y = torch.arange(10) % 3
ONE = Signature("Net", ("x",), 1, (), False)
TWO = Signature("Net", ("x", "mask"), 2, (), False)
OPTIONAL = Signature("Net", ("x", "mask"), 1, (), False)
TEXT = Signature("Bert", ("input_ids", "attention_mask", "token_type_ids", "labels"), 0, (), False)


class Pairs(Dataset):
    def __len__(self):
        return 10

    def __getitem__(self, place):
        if place >= 10:
            raise AssertionError("read past its end")
        return {"x": X[place], "label": int(Y[place])}


class Rows:
    """As Hugging Face's data sets are: samples by number, of no class of torch's, lists of numbers."""

    def __len__(self):
        return 10

    def __getitem__(self, place):
        return {"x": X[place].tolist(), "labels": int(Y[place])}


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(row, int(label)) for row, label in zip(X, Y, strict=True)])


def pairs():
    return [(X[i : i + 3], Y[i : i + 3]) for i in range(0, 10, 3)]


GIVEN = {
    "mapping": lambda: {"x": X, "labels": Y},
    "tuple": lambda: (X, Y),
    "arrays": lambda: (X.numpy(), Y.numpy()),
    "list of pairs": pairs,
    "pairs of lists": lambda: [list(pair) for pair in pairs()],
    "generator": lambda: (pair for pair in pairs()),
    "mappings": lambda: iter([{"x": x, "labels": y} for x, y in pairs()]),
    "loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=4),
    "data set": lambda: TensorDataset(X, Y),
    "data set of mappings": Pairs,
    "rows": Rows,
    "stream": Stream,
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
def test_every_way_to_give_inputs_and_labels_is_the_same_arrays(given):
    arrays, words = arrays_of(given(), ONE, "data")
    assert list(arrays) == ["x", "labels"] and words == "the data given"
    assert np.array_equal(np.asarray(arrays["x"], dtype=np.float32), X.numpy())
    assert np.array_equal(arrays["labels"], Y.numpy())


@pytest.mark.parametrize("given", [X, X.numpy(), [X[:5], X[5:]], (X,), iter([X]), DataLoader(X, batch_size=3)])
def test_inputs_without_labels(given):
    arrays, _ = arrays_of(given, ONE, "data")
    assert list(arrays) == ["x"] and np.array_equal(arrays["x"], X.numpy())


@pytest.mark.parametrize(
    ("parts", "signature", "names"),
    [
        ((X, X), TWO, ["x", "mask"]),
        ((X, X, Y), TWO, ["x", "mask", "labels"]),
        ((X, Y), OPTIONAL, ["x", "labels"]),
        ((X, X, Y), OPTIONAL, ["x", "mask", "labels"]),
        ((X, Y), TEXT, ["input_ids", "labels"]),
    ],
)
def test_parts_are_forward_s_parameters_in_order_and_labels_come_last(parts, signature, names):
    assert list(arrays_of(parts, signature, "data")[0]) == names
    assert list(arrays_of([parts], signature, "data")[0]) == names


def test_example_inputs_have_no_labels():
    assert list(arrays_of((X, X), OPTIONAL, "inputs", has_labels=False)[0]) == ["x", "mask"]


@pytest.mark.parametrize("parts", [(X, X, X, X), (X, X, Y, Y, Y)])
def test_parts_that_cannot_be_told_apart_are_refused(parts):
    with pytest.raises(DataError, match="forward of Net takes x, mask") as caught:
        arrays_of([parts], TWO, "data")
    assert "Give 2 and 3 with labels, or a mapping" in caught.value.do
    with pytest.raises(DataError, match=r"has 3 parts, forward of Bert takes input_ids, attention_mask"):
        arrays_of([(X, X, Y)], TEXT, "data")


def test_the_names_are_the_module_s():
    class Net(nn.Module):
        def forward(self, x, mask=None, *, scale=1.0, **more):
            return x

    assert signature_of(Net()) == Signature("Net", ("x", "mask"), 1, ("scale",), True)
    assert signature_of(nn.Linear(2, 2)).positional == ("input",)

    class Bare(nn.Module):
        def forward(self, *args):
            return args[0]

    with pytest.raises(DataError, match="parameters without names"):
        signature_of(Bare())


def endless():
    for number in itertools.count():
        yield X + number, Y


def test_an_endless_iterable_is_read_up_to_a_bound_and_a_warning_says_so(monkeypatch):
    monkeypatch.setattr(batches, "SAMPLES", 25)
    with pytest.warns(UserWarning, match="the first 25 samples were read and no more"):
        arrays, words = arrays_of(endless(), ONE, "data")
    assert len(arrays["x"]) == len(arrays["labels"]) == 25
    assert words == "the data given (the first 25 samples; the rest was not read)"


def test_bytes_are_a_bound_too(monkeypatch):
    monkeypatch.setattr(batches, "BYTES", 1000)
    with pytest.warns(UserWarning, match="the first 50 samples"):
        arrays, _ = arrays_of(endless(), ONE, "data")
    assert len(arrays["x"]) == 50  # 240 bytes a batch: the fifth passes 1000


def test_a_number_of_samples_that_was_asked_for_is_no_warning(monkeypatch):
    monkeypatch.setattr(batches, "BYTES", 10)
    arrays, words = arrays_of(endless(), ONE, "data", 33)
    assert len(arrays["x"]) == 33 and "first 33" in words
    monkeypatch.setattr(batches, "LARGEST", 1000)
    with pytest.raises(DataError, match="after 50 samples"):
        arrays_of(endless(), ONE, "data", 1000)
    assert len(arrays_of({"x": X, "labels": Y}, ONE, "data", 3)[0]["labels"]) == 3


def test_what_ends_at_the_bound_was_not_cut(monkeypatch):
    monkeypatch.setattr(batches, "SAMPLES", 10)
    assert len(arrays_of(pairs(), ONE, "data")[0]["x"]) == 10


def test_a_bfloat16_tensor_is_widened():
    assert arrays_of([X.bfloat16()], ONE, "data")[0]["x"].dtype == np.float32


def used_up():
    batches_of = iter(pairs())
    assert len(list(batches_of)) == 4
    return batches_of


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ([], DataError, "have no row"),
        (used_up(), DataError, "have no row.*A generator can be run through only once"),
        ([X[:0]], DataError, "have no row"),
        (3, UsageError, "cannot be of the type int"),
        ([3.5], UsageError, "batch 0 of the data given is of the type float"),
        (["text"], UsageError, "batch 0 of the data given is of the type str"),
        ([(X, Y), {"x": X}], DataError, "batch 1 of the data given has x, the batches before it labels, x"),
        ([X, X[:, :2]], DataError, r"'x' of batch 1 of the data given has shape \[10, 2\], that of batch 0 \[10, 4\]"),
        ([X, X, X.double()], DataError, "'x' of batch 2 of the data given is float64, that of batch 0 float32"),
        ([(X, Y[:4])], DataError, "batch 0 of the data given: rows differ, 'x' 10, 'labels' 4"),
        ([(X, 1)], DataError, "'labels' of batch 0 of the data given is a single number"),
        ([{"x": [[1, 2], [3]]}], DataError, "lists of different lengths"),
        ([{"x": X, "text": ["a"] * 10}], DataError, "'text' of batch 0 of the data given is no tensor of numbers"),
        ([{"x": object()}], DataError, "is no tensor of numbers but object"),
    ],
)
def test_what_does_not_fit_is_one_clear_error(given, kind, words):
    with pytest.raises(kind, match=words) as caught:
        arrays_of(given, ONE, "data")
    assert caught.value.do and caught.value.what[0] != " "


class Ragged(Dataset):
    def __len__(self):
        return 5

    def __getitem__(self, place):
        return X[0, : 1 + place % 2]


def test_samples_of_different_lengths_are_one_clear_error():
    with pytest.raises(DataError, match=r"different shapes from sample to sample, \[1\] and \[2\]") as caught:
        arrays_of(Ragged(), ONE, "data")
    assert "collate_fn" in caught.value.do


@pytest.mark.parametrize("samples", [0, -1, 2.5, True, "4"])
def test_a_number_of_samples_that_is_none_is_refused(samples):
    with pytest.raises(UsageError, match="samples is"):
        arrays_of(X, ONE, "data", samples)


def test_work_can_be_stopped_between_batches():
    class StopError(Exception):
        pass

    turns = iter(range(3))

    def check():
        if next(turns, None) is None:
            raise StopError

    with pytest.raises(StopError):
        arrays_of(endless(), ONE, "data", check=check)

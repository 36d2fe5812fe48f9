"""Files of models take what modules take: tensors, data sets, loaders, any iterable of batches."""

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import qdebug
from qdebug.doors import capture
from qdebug.errors import DataError, UsageError
from qdebug.facade.place import place
from tests.networks import Residual, data_for, seeded

DATA = data_for(Residual, 40)
X, Y = DATA["images"], DATA["labels"]


@pytest.fixture(scope="module", params=["net.pt2", "net.onnx"])
def net(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("files") / request.param
    if file.suffix == ".onnx":
        pytest.importorskip("onnxscript")
        from qdebug.doors.module import torch_tools

        with torch_tools(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                seeded(Residual), (X[:2],), str(file), input_names=["images"], dynamo=True, verbose=False,
                dynamic_shapes=({0: torch.export.Dim("batch")},),
            )  # fmt: skip
    else:
        torch.export.save(capture(seeded(Residual), {"images": X[:2]})[0], file)
    return file


@pytest.mark.parametrize(
    "given",
    [
        lambda: (X, Y), lambda: DataLoader(TensorDataset(X, Y), batch_size=16), lambda: TensorDataset(X, Y),
        lambda: iter([(X[:30], Y[:30]), (X[30:], Y[30:])]), lambda: [{"images": X, "label": Y}],
    ],
    ids=["tuple", "loader", "data set", "generator", "mappings"],
)  # fmt: skip
def test_they_are_the_same_data_as_arrays(given, net: Path) -> None:
    asked, same = qdebug.open(net, given(), given()), qdebug.open(net, DATA, DATA)
    assert asked.subject.data.digest == same.subject.data.digest and asked.info().n_calib == 40
    assert asked.score("w4a8").metric == same.score("w4a8").metric
    assert asked.score("w4a8").metric.name == "accuracy"


def test_a_tensor_alone_has_no_labels_and_fewer_are_read_where_that_is_asked(net: Path) -> None:
    assert qdebug.open(net, X).subject.data.labels is None
    few = qdebug.open(net, DataLoader(TensorDataset(X, Y), batch_size=16), samples=20)
    assert few.info().n_eval == 20
    ref = place(few._given, few.subject)
    assert ref.model == str(net.resolve())
    assert qdebug.open(ref.model, ref.data).subject.data.digest == few.subject.data.digest


def test_what_was_cut_is_warned_of_where_it_was_asked(net: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("qdebug.doors.batches.SAMPLES", 10)
    with pytest.warns(UserWarning, match="the first 10 samples were read") as caught:
        qdebug.open(net, iter([(X, Y)]))
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        (lambda: [(X, X, Y)], DataError, r"has 3 parts, net\.\w+ takes images.*Give 1 and 2 with labels"),
        (lambda: [{"image": X}], DataError, "a key 'image' that the model has no input for"),
        (list, DataError, "have no row"),
        (lambda: [3], UsageError, "batch 0 of the data given is of the type int"),
        (lambda: [(X[:, :2], Y)], DataError, r"'images' has shape \[40, 2, 8, 8\]"),
    ],
)
def test_batches_that_do_not_fit_say_what_the_model_takes(given, error: type, says: str, net: Path) -> None:
    with pytest.raises(error, match=says):
        qdebug.open(net, given())


def test_an_input_that_is_the_same_for_all_is_in_no_batch(tmp_path: Path) -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(4, 3)

        def forward(self, scale: Tensor, x: Tensor) -> Tensor:
            return self.fc(x) * scale

    given = {"scale": torch.full((3,), 2.0), "x": torch.randn(6, 4)}
    exported = torch.export.export(
        Scaled(), tuple(given.values()), dynamic_shapes=({}, {0: torch.export.Dim("n", min=2)})
    )
    torch.export.save(exported, tmp_path / "net.pt2")
    with pytest.raises(DataError, match="lack the model input 'scale'"):
        qdebug.open(tmp_path / "net.pt2", [given["x"]])
    assert qdebug.open(tmp_path / "net.pt2", given).info().n_eval == 6


def test_a_sample_takes_batches_too_and_a_folder_takes_none(tmp_path: Path) -> None:
    from tests.doors.huggingface import zoo

    data = qdebug.open("digits-mobilenet").subject.data
    (images,), labels = data.inputs.values(), data.labels
    found = qdebug.open("digits-mobilenet", [(images[:50], labels[:50])])  # type: ignore[index]
    assert found.info().n_eval == 50
    with pytest.raises(UsageError, match="data cannot be of the type list"):
        qdebug.open(zoo.save("bert", tmp_path / "bert"), [np.zeros((2, 4), np.int64)])

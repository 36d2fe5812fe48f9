"""What torch.export cannot capture is one clear error: the line, what is done there, the module, what to do."""

import linecache
import sys

import pytest
import torch
from torch import nn

from qdebug.doors import capture
from qdebug.errors import ModelError
from tests.doors.uncapturable import CASES, Head

HERE = "tests/doors/uncapturable.py"


def inputs():
    return {"x": torch.randn(4, 8, generator=torch.Generator().manual_seed(0))}


def refused(module, given=None):
    with pytest.raises(ModelError) as caught:
        capture(module.eval(), given or inputs())
    return caught.value


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.jit, which one of the modules is made with
@pytest.mark.parametrize(("kind", "line", "words", "path"), CASES, ids=[case[0].__name__ for case in CASES])
def test_the_error_names_line_construct_and_module(kind, line, words, path, capfd):
    error = refused(kind())
    assert words in error.what, error.what
    assert error.do.endswith(".") and "\n" not in str(error)
    assert error.__cause__ is not None  # all that torch said
    assert "def forward(self, arg0_1" not in capfd.readouterr().err  # nor does torch print the graph
    if line is None:
        return
    assert line in error.where["line"]
    file, _, number = error.where["file"].rpartition(":")
    assert file.endswith(HERE)
    assert line in linecache.getline(sys.modules[kind.__module__].__file__, int(number))
    assert error.where["module"] == path


def test_a_module_of_a_notebook_s_cell_has_its_line_too():
    source = "class Cell(Head):\n    def forward(self, x):\n        return self.fc(x) if x.sum() > 0 else x\n"
    name = "/tmp/ipykernel_7/123.py"
    linecache.cache[name] = (len(source), None, source.splitlines(True), name)  # as IPython does
    names = {"Head": Head, "__name__": "__main__"}
    exec(compile(source, name, "exec"), names)
    error = refused(names["Cell"]())
    assert error.where["file"] == "notebook cell, line 3" and "x.sum() > 0" in error.where["line"]
    assert "branches on the values" in error.what


class Fallback(Head):
    def forward(self, x):
        try:
            scale = 1.0 if float(x.max()) > -100 else 3.0
        except Exception:  # noqa: BLE001
            scale = 5.0
        return self.fc(x) * scale


def test_a_try_that_hides_a_refusal_is_found_by_the_answers():
    error = refused(Fallback())
    assert "answers otherwise than the module itself" in error.what
    assert error.where["module"] == "Fallback"
    name, _, number = error.where["file"].rpartition(":")
    assert name.endswith("test_refused.py") and linecache.getline(__file__, int(number)).strip() == "try:"


class Counting(Head):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, x):
        self.calls += 1
        return self.fc(x)


class Stopping(Head):
    def forward(self, x):
        breakpoint()
        return self.fc(x)


class Random(Head):
    def forward(self, x):
        return self.fc(x + torch.randn_like(x))


class InPlace(Head):
    def forward(self, x):
        x -= x.mean(0)
        return self.fc(x.mul_(3))


@pytest.mark.parametrize("kind", [Counting, Stopping, Random, InPlace])
def test_state_breakpoints_noise_and_changed_inputs_are_no_reason_to_refuse(kind, monkeypatch):
    monkeypatch.setattr(sys, "breakpointhook", lambda *_, **__: pytest.fail("it stopped"))
    module = kind().eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    given = inputs()
    assert capture(module, given)[1] is None
    assert torch.equal(given["x"], inputs()["x"])
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())


class Needs(Head):
    def forward(self, x, mask):
        return self.fc(x) * mask


@pytest.mark.parametrize(
    ("module", "given", "words"),
    [
        (Needs(), inputs(), "missing 1 required positional argument: 'mask'"),
        (nn.Sequential(nn.Linear(4, 4)), {"input": torch.zeros(2, 8)}, "cannot be multiplied"),
        (nn.Embedding(4, 4), {"input": torch.full((2, 3), 9)}, "index out of range"),
        (nn.Linear(8, 4), inputs(), "unexpected keyword argument 'x'"),
    ],
)
def test_a_module_that_fails_itself_is_told_apart_from_one_that_resists(module, given, words):
    error = refused(module, given)
    assert "itself fails on its inputs" in error.what and words in error.what
    name, tensor = next(iter(given.items()))
    assert error.where["inputs"].startswith(f"{name} {[2, *tensor.shape[1:]]}")


class Unshared(Head):
    def forward(self, x):
        return self.fc(x)

    def __deepcopy__(self, memo):
        raise RuntimeError("holds a socket")


def test_a_module_in_training_that_cannot_be_copied_is_one_clear_error():
    with pytest.raises(ModelError, match="cannot be copied: holds a socket") as caught:
        capture(Unshared().train(), inputs())
    assert "module.eval()" in caught.value.do


def test_a_module_without_weights_is_one_clear_error():
    with torch.device("meta"):
        module = nn.Sequential(nn.Linear(8, 4))
    assert "meta device" in refused(module, {"input": torch.zeros(2, 8)}).what

"""A part alone is what it is in the whole module: its inputs, its outputs, the paths of its layers."""

import pytest
import torch
from torch import nn

from qdebug.doors import capture
from qdebug.doors.part import hold, recorded
from qdebug.doors.parts import with_parts
from qdebug.errors import DataError, ModelError


class Block(nn.Module):
    """Called with a tensor, a mask that is the same for all samples, a pair of tensors and a setting."""

    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(8, 8), nn.Linear(8, 8)

    def forward(self, x, mask=None, *, pair=None, scale=1.0, extra=None):
        turned, _ = pair
        return torch.relu_(self.fc1(x)) * mask + self.fc2(turned) * scale


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(8, 8)
        self.body = nn.ModuleList([Block(), Block()])
        self.head = nn.Linear(8, 4)
        self.spare = nn.Linear(8, 4)
        self.windows = nn.Linear(4, 4)
        self.register_buffer("mask", torch.linspace(0, 1, 8)[None])

    def forward(self, x):
        x = self.stem(x)
        for block in self.body:
            x = block(x, self.mask, pair=(x * 2, torch.ones(1)), scale=0.5)
            if x.sum() > 0:
                x = x - 0.1
        x = x + self.windows(x.reshape(-1, 4)).reshape(-1, 8)
        x = self.head(x)
        x.mul_(0)  # what comes after does not change what was recorded
        return x


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


def data(rows=70):
    return {"x": torch.randn(rows, 8, generator=torch.Generator().manual_seed(1)), "labels": torch.zeros(rows)}


def seen(net, path, inputs):
    """Inputs and outputs of a part, by a hook of PyTorch's own."""
    found = []
    part = net.get_submodule(path)
    handle = part.register_forward_hook(
        lambda _, args, kwargs, out: found.append((args, kwargs, out)), with_kwargs=True
    )
    with torch.no_grad():
        net(inputs)
    handle.remove()
    return found


@pytest.mark.parametrize("path", ["stem", "body.0", "body.1", "body.1.fc2", "windows"])
def test_a_part_alone_answers_as_it_does_in_the_whole(net, path):
    given = data(32)
    held = hold(net, path, given)
    arrays = recorded(held, given)
    ((_, _, output),) = seen(net, path, given["x"])
    with torch.no_grad():
        assert torch.equal(held(**arrays), output)
    exported, batch = capture(held, {name: tensor[:4] for name, tensor in arrays.items()})
    assert batch is None
    assert torch.allclose(exported.module()(**arrays), output, atol=1e-6)


def test_its_weights_keep_their_whole_names_and_the_rest_of_the_module_is_not_in_it(net):
    held = hold(net, "body.1", data())
    assert {name for name, _ in held.named_parameters()} == {
        f"body.1.{layer}.{kind}" for layer in ("fc1", "fc2") for kind in ("weight", "bias")
    }


def test_what_has_rows_is_fed_and_what_is_always_the_same_is_kept(net):
    held = hold(net, "body.0", data())
    assert held.fed == ("x", "pair_0")
    kept = dict(held.named_buffers())
    assert torch.equal(kept["_given_mask"], net.mask) and torch.equal(kept["_given_pair_1"], torch.ones(1))


def test_all_samples_are_recorded_in_order(net):
    given = data(70)
    arrays = recorded(hold(net, "stem", given), given)
    assert torch.equal(arrays["input"], given["x"])
    ((args, _, _),) = seen(net, "body.0.fc2", given["x"])
    again = recorded(hold(net, "body.0.fc2", given), given)["input"]
    assert torch.allclose(again, args[0], atol=1e-6)
    assert len(recorded(hold(net, "windows", given), given)["input"]) == 140  # two rows for each sample


class Again(nn.Module):
    def __init__(self):
        super().__init__()
        self.cell = nn.Linear(8, 8)

    def forward(self, x):
        return self.cell(self.cell(x))


def test_each_call_of_a_part_is_a_batch():
    torch.manual_seed(0)
    net, given = Again().eval(), data(5)
    found = recorded(hold(net, "cell", given), given)["input"]
    with torch.no_grad():
        assert torch.allclose(found, torch.cat([given["x"], net.cell(given["x"])]))


class Awkward(nn.Module):
    """Parts that cannot be fed: time first, a value that follows the data, an object, a number that counts samples."""

    def __init__(self):
        super().__init__()
        self.time, self.shift, self.named, self.counted = (Taker() for _ in range(4))

    def forward(self, x):
        self.time(x[None])
        self.shift(x, x.mean(0))
        self.named(x, {1, 2})
        self.counted(x, len(x))
        return x


class Taker(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 8)

    def forward(self, x, other=None):
        return self.fc(x)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("time", "'x' has no rows for samples"),
        ("shift", "'other' has no rows for samples|no common rows"),
        ("named", "receives a set as 'other'"),
        ("counted", "receives a int as 'other'"),
        ("tmie", "has no part 'tmie'"),
        ("", "has no part ''"),
    ],
)
def test_what_cannot_be_fed_is_one_clear_error(path, words):
    with pytest.raises(ModelError, match=words) as caught:
        hold(Awkward().eval(), path, data())
    assert caught.value.do


def test_a_part_that_is_not_reached_is_one_clear_error(net):
    with pytest.raises(ModelError, match="'spare' is not called"):
        hold(net, "spare", data())


class Shifting(Awkward):
    def forward(self, x):
        return self.shift(x, x.abs().max() > 3)


def test_what_changes_from_batch_to_batch_is_not_taken_for_a_constant():
    given = {"x": torch.cat([torch.zeros(40, 8), torch.full((8, 8), 9.0)])}
    net = Shifting().eval()
    with pytest.raises(ModelError, match="'other' changes from call to call"):
        recorded(hold(net, "shift", given), given)


def test_no_rows_are_one_clear_error(net):
    with pytest.raises(DataError, match="no sample"):
        hold(net, "stem", {"x": torch.zeros(0, 8)})


def test_an_error_lists_the_largest_parts_that_can_be_captured(net):
    error = with_parts(ModelError("It resists", do="Mend it.", file="net.py:3"), net, data())
    assert error.do.startswith("Mend it. Or open a part of it alone, with part='body.0'; these can be captured: ")
    listed = [f"body.{i} (144 parameters)" for i in range(2)] + ["stem (72 parameters)", "head (36 parameters)"]
    assert error.do.endswith(", ".join(listed) + ".")
    assert (error.what, error.where) == ("It resists", {"file": "net.py:3"})


def test_parts_inside_a_part_that_resists_are_tried():
    error = with_parts(ModelError("It resists", do="Mend it."), nn.Sequential(Net(), nn.Linear(4, 4)).eval(),
                       {"input": data()["x"]})  # fmt: skip
    assert "part='0.body.0'" in error.do


def test_nothing_is_listed_for_a_module_that_fails_itself():
    failed = ModelError("It fails", do="Mend it.", inputs="x [2, 3] float32")
    assert with_parts(failed, nn.Sequential(nn.Linear(8, 4)), {"input": torch.zeros(2, 3)}) is failed

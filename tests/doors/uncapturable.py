"""Modules as people write them that ``torch.export`` refuses, each for one reason.

``CASES`` says of each what an error has to tell: a piece of the line, what it does there, the module's path.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn


class Head(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(8, 4)


class Branch(Head):
    def forward(self, x):
        if x.sum() > 0:
            return self.fc(x)
        return self.fc(-x)


class Nested(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), Branch())

    def forward(self, x):
        return self.body(x)


class Chosen(Head):
    def forward(self, x):
        return self.fc(x) if bool((x > 0).any()) else x


class Compared(Head):
    def forward(self, x):
        if torch.allclose(x, x * 0):
            return x
        return self.fc(x)


class Tried(Head):
    def forward(self, x):
        try:
            if x.max() > 1:
                raise ValueError("large")
        except ValueError:
            x = x / 2
        return self.fc(x)


class Asserted(Head):
    def forward(self, x):
        assert x.max() < 100, "too large"
        return self.fc(x)


class Item(Head):
    def forward(self, x):
        limit = x.abs().max().item()
        if limit > 3:
            x = x / limit
        return self.fc(x)


class Number(Head):
    def forward(self, x):
        count = int(x.argmax())
        for _ in range(count):
            x = x + 1
        return self.fc(x)


class Listed(Head):
    def forward(self, x):
        values = x.mean(0).tolist()
        return self.fc(x) * max(values)


class While(Head):
    def forward(self, x):
        steps = 0
        while (x > steps).any():
            steps += 1
        return self.fc(x + steps)


class Filtered(Head):
    def forward(self, x):
        rows = [self.fc(row) for row in x if row.max() > -100]
        return torch.stack(rows)


class Sized(Head):
    def forward(self, x):
        rows = torch.nonzero(x[:, 0] > -100).squeeze(1)
        return self.fc(x[rows] + torch.zeros(len(rows), 8))


class LookedUp(Head):
    def forward(self, x):
        names = ["a", "b"] * 200
        self.label = names[x.argmax()]
        return self.fc(x)


class Numpy(Head):
    def forward(self, x):
        scale = np.abs(x.numpy()).max()
        return self.fc(x / scale)


class Rounding(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return torch.from_numpy(np.round(x.numpy()))

    @staticmethod
    def backward(ctx, grad):
        return grad


class OwnFunction(Head):
    def forward(self, x):
        return self.fc(Rounding.apply(x))


class Printed(Head):
    def forward(self, x):
        print(f"largest {x.max():.3f}")  # noqa: T201
        return self.fc(x)


class Address(Head):
    def forward(self, x):
        where = x.data_ptr()
        return self.fc(x) + 0 * where


class Packed(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(8, 8, batch_first=True)
        self.fc = nn.Linear(8, 4)

    def forward(self, x):
        lengths = (x != 0).sum(1).clamp(min=1)
        steps = x[..., None].expand(-1, -1, 8)
        packed = nn.utils.rnn.pack_padded_sequence(steps, lengths, batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return self.fc(last[-1])


class Gradient(Head):
    def forward(self, x):
        x = x.clone().requires_grad_()
        with torch.enable_grad():
            (slope,) = torch.autograd.grad(self.fc(x).sum(), x)
        return self.fc(x + slope)


class Scores:
    def __init__(self, values):
        self.values = values


class Returned(Head):
    def forward(self, x):
        return Scores(self.fc(x))


class DynamicCache:
    pass


class Generating(Head):
    def forward(self, x):
        return self.fc(x), DynamicCache()


class Scripted(Head):
    def __init__(self):
        super().__init__()
        self.inner = torch.jit.script(nn.Linear(8, 8))

    def forward(self, x):
        return self.fc(self.inner(x))


@torch.library.custom_op("qdebug_tests::doubled", mutates_args=())
def doubled(x: torch.Tensor) -> torch.Tensor:
    """An operator of which torch does not know what shape comes out."""
    return x * 2


class Operator(Head):
    def forward(self, x):
        return self.fc(doubled(x))


#: module, part of the line, what the error says of it, path of the module
CASES = [
    (Branch, "if x.sum() > 0:", "branches on the values", "Branch"),
    (Nested, "if x.sum() > 0:", "branches on the values", "body.2 (Branch)"),
    (Chosen, "if bool((x > 0).any()) else x", "branches on the values", "Chosen"),
    (Compared, "torch.allclose", "branches on the values", "Compared"),
    (Tried, "if x.max() > 1:", "branches on the values of a tensor, inside a try", "Tried"),
    (Asserted, "assert x.max() < 100", "asserts something", "Asserted"),
    (Item, "if limit > 3:", "branches on the values", "Item"),
    (Number, "count = int(x.argmax())", "takes a Python number", "Number"),
    (Listed, "max(values)", "takes a Python number", "Listed"),
    (While, "while (x > steps).any():", "loops as often", "While"),
    (Filtered, "for row in x if row.max() > -100", "branches on the values", "Filtered"),
    (Sized, "len(rows)", "the shape of a tensor depends on the values", "Sized"),
    (LookedUp, "names[x.argmax()]", "looks something up in Python", "LookedUp"),
    (Numpy, "np.abs(x.numpy())", "hands a tensor to NumPy", "Numpy"),
    (OwnFunction, "np.round(x.numpy())", "NumPy, in an autograd function of its own", "OwnFunction"),
    (Printed, "x.max():.3f", "writes the values of a tensor as text", "Printed"),
    (Address, "x.data_ptr()", "reads a tensor's memory", "Address"),
    (Packed, "self.lstm(packed)", "packed sequence", "Packed"),
    (Gradient, None, "computes gradients", None),
    (Returned, None, "returns something that is no tensor", None),
    (Generating, None, "the cache that text is generated with", None),
    (Scripted, None, "TorchScript", None),
    (Operator, "doubled(x)", "operator that torch cannot trace", "Operator"),
]

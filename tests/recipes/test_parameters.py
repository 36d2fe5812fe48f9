"""The parameters of a fix are read from its class: types, bounds, choices, words."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
import pytest

from qdebug.recipes import from_plain
from qdebug.recipes.fixes import KINDS
from qdebug.recipes.fixes.base import BaseFix
from qdebug.recipes.fixes.parameters import parameters


class Made(BaseFix, frozen=True, tag="made"):
    """A fix of every kind of parameter.

    Attributes:
        order: which columns come
            first.
        rank, power: two at once.
        keep: whether it is kept.
    """

    order: Literal["given", "largest"] = "given"
    rank: int = 8
    power: float = -1.0
    keep: bool = False
    share: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.5
    limit: int | None = None
    ladder: tuple[int, ...] = ()

    def unlike(self) -> str:
        """Not a parameter."""
        return self.order


def test_each_kind_of_field_becomes_a_parameter():
    found = {one.name: one for one in parameters(Made)}
    assert [one.kind for one in found.values()] == ["choice", "int", "float", "bool", "float", "int", "other"]
    assert found["order"].choices == ("given", "largest")
    assert (found["share"].low, found["share"].high) == (0, 1)
    assert found["rank"].low == 1
    assert found["power"].low is None
    assert found["limit"].optional
    assert not found["rank"].optional
    assert found["order"].about == "which columns come first."
    assert found["rank"].about == found["power"].about == "two at once."
    assert found["share"].about == ""


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__struct_config__.tag)
def test_every_parameter_says_what_it_is_and_allows_its_default(kind):
    for one in parameters(kind):
        assert one.about, one.name
        if one.kind in ("int", "float") and one.default is not None:
            assert one.low is None or one.low <= one.default
            assert one.high is None or one.default <= one.high


def test_a_value_beyond_its_bounds_is_refused_in_a_file():
    from qdebug.errors import QDebugError

    with pytest.raises(QDebugError, match="alpha"):
        from_plain({"version": 1, "fixes": [{"method": "smoothquant", "alpha": 1.5}]})

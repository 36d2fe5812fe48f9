"""What two plans differ in, in words: only what each side's format has."""

from qdebug.recipes import parse_plan
from qdebug.session.differing import other_fields


def test_a_zero_point_is_told_of_integers_alone():
    affine, symmetric = parse_plan("w8a8"), parse_plan("w16a16")
    assert affine.activation.symmetric is not symmetric.activation.symmetric
    assert other_fields(affine, symmetric, embedding=False) == ((), ())


def test_between_integers_it_is_told():
    from msgspec.structs import replace

    plan = parse_plan("w8a8")
    other = replace(plan, activation=replace(plan.activation, symmetric=True))
    assert other_fields(plan, other, embedding=False) == (("input affine",), ("input symmetric",))

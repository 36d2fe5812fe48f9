"""For what Python asked for the values of a tensor, seen from the syntax around the expression."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from itertools import pairwise

_TURN = (
    "it loops as often as the values of a tensor say",
    "Loop a number of times that shapes or settings give, and mask what is too much with torch.where.",
)
_BRANCH = (
    "it branches on the values of a tensor",
    "Compute both and choose with torch.where, or decide by shapes and settings, which are known.",
)
_ASSERT = ("it asserts something about the values of a tensor", "Take the assertion out, or make it of shapes.")
_LIST = (
    "it makes a Python list of the values of a tensor",
    "Go on with the tensor: stack, index and reduce it with torch.",
)
_NUMBER = (
    "it takes a Python number out of a tensor",
    "Keep it a tensor: what .item(), int() and float() are used for works on tensors of one number too.",
)
_INDEX = (
    "it looks something up in Python by the value of a tensor",
    "Make what is looked up a tensor, with register_buffer, and index that.",
)
_SHAPE = (
    "the shape of a tensor depends on the values of another, as behind nonzero, unique and boolean masks",
    "Keep the full shape, and mask what does not count with torch.where.",
)
_ELSE = ("Python needs the values of a tensor", "Keep them in tensors, and choose between them with torch.where.")
_LISTS = frozenset({"tolist", "list", "tuple", "sorted", "set"})
_NUMBERS = frozenset({"int", "float", "bool", "item", "max", "min", "round", "abs", "__int__", "__float__"})
_SIZES = frozenset({"len", "range", "zeros", "ones", "full", "empty", "reshape", "view", "expand", "repeat", "arange"})


def asked_for(around: Sequence[ast.AST], message: str) -> tuple[str, str]:
    """What a forward does that needs the values of a tensor, and what to do instead.

    Args:
        around: the syntax around the expression that failed, outermost first.
        message: what torch says.
    """
    found = _by_statement(around) or _by_expression(around)
    if found is None:
        found = _SHAPE if "Size-like symbols: u" in message else _ELSE
    if not any(_inside_try(outer, inner) for outer, inner in pairwise(around)):
        return found
    return f"{found[0]}, inside a try", found[1]


def _by_statement(around: Sequence[ast.AST]) -> tuple[str, str] | None:
    """What decides how the function goes on, if the expression stands there."""
    if around and isinstance(around[-1], ast.While | ast.For | ast.If | ast.Assert):  # as Python marks some tests
        return {ast.While: _TURN, ast.For: _TURN, ast.If: _BRANCH, ast.Assert: _ASSERT}[type(around[-1])]
    if around and isinstance(around[-1], ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        return _BRANCH if any(part.ifs for part in around[-1].generators) else _TURN
    for outer, inner in reversed(list(pairwise(around))):
        match outer:
            case ast.While(test=test) if test is inner:
                return _TURN
            case ast.For(iter=turns) if turns is inner:
                return _TURN
            case ast.If(test=test) | ast.IfExp(test=test) if test is inner:
                return _BRANCH
            case ast.Assert(test=test) if test is inner:
                return _ASSERT
            case ast.comprehension(iter=turns, ifs=tests):
                return _BRANCH if inner in tests else _TURN if turns is inner else None
            case ast.BoolOp():
                return _BRANCH
            case _:
                pass
    return None


def _by_expression(around: Sequence[ast.AST]) -> tuple[str, str] | None:
    for node in reversed(around):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                for names, found in ((_LISTS, _LIST), (_NUMBERS, _NUMBER), (_SIZES, _SHAPE)):
                    if name in names:
                        return found
            case ast.Subscript(slice=ast.Slice()):
                return _SHAPE
            case ast.Subscript():
                return _INDEX
            case _:
                pass
    return None


def _inside_try(outer: ast.AST, inner: ast.AST) -> bool:
    return isinstance(outer, ast.Try) and inner in outer.body

"""The description of a graph in a ``.pt2``: only what computes with tensors is let through to torch's loader.

torch finds a node's function by walking attributes from the module ``torch`` (``torch.serialization.os.system`` is one
such walk), gives expressions of sizes to sympy, which evaluates them as Python, imports the modules that a structure of
arguments names, and writes source code with the names of nodes in it (torch/_export/serde/serialize.py,
torch/utils/_pytree.py, torch/fx/graph.py). Here each of those strings has to be what an exporter writes.
"""

from __future__ import annotations

import ast
import json
import re
from typing import Any


class Unsafe(Exception):  # noqa: N818 - turned into an error for people by whoever called
    """What an archive holds would be run; the text says what."""


_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,1000}")
_PATH = re.compile(r"[^\x00-\x1f\x7f\"'\\`]{0,1000}")
"""A place of a weight within its module: any characters but those that end a string or a line of code."""
_OPERATOR = re.compile(r"torch\.ops\.(aten|prims|quantized_decomposed|torchao)\.(\w+)\.(\w+)")
_FORBIDDEN = frozenset({"from_file", "save", "warn", "_print"})
"""Operators of ATen that touch files or the console."""
_HIGHER = frozenset({
    "wrap_with_set_grad_enabled", "wrap_with_autocast", "cond", "while_loop", "map_impl", "scan", "associative_scan",
})  # fmt: skip
_ARITHMETIC = {
    "_operator": (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "neg", "pos", "abs", "eq", "ne", "lt", "le", "gt", "ge",
        "and_", "or_", "not_", "xor", "getitem",
    ),
    "math": ("floor", "ceil", "trunc", "sqrt"),
    "torch": ("sym_int", "sym_float", "sym_max", "sym_min", "sym_not", "sym_ite", "sym_sum", "_sym_sqrt"),
}  # fmt: skip
_SCALAR = frozenset(f"{module}.{name}" for module, names in _ARITHMETIC.items() for name in names)
_FUNCTIONS = frozenset({
    "FloorDiv", "ModularIndexing", "Where", "PythonMod", "Mod", "CleanDiv", "CeilToInt", "FloorToInt", "CeilDiv",
    "FloatTrueDiv", "IntTrueDiv", "TruncToFloat", "TruncToInt", "RoundToInt", "ToFloat", "Identity", "Max", "Min", "Eq",
    "Ne", "Abs", "floor", "ceiling", "Not", "And", "Or", "Rational", "PowByNatural", "FloatPow", "Pow", "LShift",
    "RShift", "Add", "Mul", "Integer", "Equality", "Unequality", "LessThan", "StrictLessThan", "GreaterThan",
    "StrictGreaterThan",
})  # fmt: skip
_POWERS = frozenset({"PowByNatural", "FloatPow", "Pow", "LShift", "RShift"})
_DECLARED = re.compile(r"Symbol\('[a-z]{1,4}\d{1,9}'(?:, [a-z]{1,20}=(?:True|False))*\)")
_SYMBOL = re.compile(r"[a-z]{1,4}\d{1,9}|oo|int_oo")
_LONGEST_EXPRESSION, _LARGEST_POWER = 2000, 16
_CONSTANT = 2**63
_NAMES = frozenset({"name", "as_name", "as_string_name", "graph_name"})
_PATHS = frozenset({"parameter_name", "buffer_name", "tensor_constant_name", "user_input_name", "fqn"})
_KEPT = ("nn_module_stack", "torch_fn")
_LAYER = re.compile(r"[^\x00-\x1f\x7f\\`]{0,20000}")
_ALLOWED_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Load, ast.Add, ast.Sub, ast.Mult, ast.Div,
    ast.Mod, ast.FloorDiv, ast.USub, ast.UAdd, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.And, ast.Or,
    ast.BitAnd, ast.BitOr, ast.Invert, ast.Not, ast.Pow,
)  # fmt: skip


def checked(model: Any) -> dict[str, Any]:
    """A program's description as it may be loaded: guards and notes for people are left out.

    Args:
        model: the parsed ``model.json``.

    Raises:
        Unsafe: something in it would be run.
        ValueError: it is no description of a program.
    """
    if not isinstance(model, dict) or not isinstance(model.get("graph_module"), dict):
        raise ValueError("it does not describe a program")
    try:
        found: dict[str, Any] = _walked({**model, "guards_code": []}, "")
    except RecursionError:
        raise ValueError("its graph is nested too deeply") from None
    return found


def _walked(value: Any, key: str) -> Any:
    """A part of a description, copied; ``key`` is what it is called."""
    if isinstance(value, dict):
        if key == "metadata":
            return _notes(value)
        if key == "range_constraints":
            for name in value:
                _expression(name)
        elif key in ("tensor_values", "sym_int_values", "sym_bool_values", "sym_float_values", "custom_obj_values"):
            for name in value:
                _name(name)
        if "as_custom_obj" in value or value.get("custom_obj_name") is not None:
            raise Unsafe("it holds an object of somebody's own class")
        return {name: _walked(one, str(name)) for name, one in value.items()}
    if isinstance(value, list):
        return [_walked(one, key) for one in value]
    if isinstance(value, str):
        _text(value, key)
    return value


def _text(value: str, key: str) -> None:
    if key in ("target", "as_operator"):
        _function(value)
    elif key == "expr_str":
        _expression(value)
    elif key in ("in_spec", "out_spec"):
        _structure(value)
    elif key in _NAMES or key in ("forward_arg_names", "field_names"):
        _name(value)
    elif key in _PATHS and not _PATH.fullmatch(value):
        raise Unsafe(f"a weight is called {value[:80]!r}")


def _name(value: str) -> None:
    if value and not _IDENTIFIER.fullmatch(value):
        raise Unsafe(f"a value is called {value[:80]!r}, which is no name")


def _function(value: str) -> None:
    """Let through an operator of torch's own, or arithmetic with sizes."""
    found = _OPERATOR.fullmatch(value)
    if found and found[2] not in _FORBIDDEN and "__" not in (found[2][-2:], found[3][:2]):
        return
    if value in _SCALAR or (value.startswith("torch.ops.higher_order.") and value.rpartition(".")[2] in _HIGHER):
        return
    raise Unsafe(f"a node calls '{value[:80]}', which is no operator of torch's own")


def _structure(value: str) -> None:
    """Of a structure of arguments: no type brings along what would be imported."""
    if not value:
        return

    def look(one: Any) -> None:
        match one:
            case {"type": kind, "context": context, "children_spec": list(children)} if kind is None or (
                isinstance(kind, str) and kind != "collections.defaultdict"
            ):
                inside = json.loads(context) if isinstance(context, str) else context
                if not (inside is None or isinstance(inside, str | int) or _is_names(inside)):
                    raise Unsafe(f"its arguments are kept in a {str(kind)[:80]}, which would be imported")
                for child in children:
                    look(child)
            case _:
                raise Unsafe("its arguments are kept in a structure that is not known")

    found = json.loads(value)
    look(found[1] if isinstance(found, list) and len(found) == 2 and isinstance(found[0], int) else found)


def _is_names(inside: Any) -> bool:
    return isinstance(inside, list) and all(isinstance(one, str | int) for one in inside)


def _expression(value: str) -> None:
    """Let through arithmetic of symbols and whole numbers, of bounded powers."""
    try:
        if len(value) > _LONGEST_EXPRESSION:
            raise ValueError("too long")
        plain = _DECLARED.sub("oo", value)  # a symbol as sympy writes it out, such as Symbol('s0', integer=True)
        for node in ast.walk(ast.parse(plain.strip(), mode="eval")):
            _allowed(node)
    except (SyntaxError, MemoryError, RecursionError, ValueError, AttributeError):
        raise Unsafe(f"a size is given as {value[:80]!r}, which is no arithmetic") from None


def _allowed(node: ast.AST) -> None:
    match node:
        case ast.Name(id=name):
            fine = name in _FUNCTIONS or name in ("True", "False") or _SYMBOL.fullmatch(name) is not None
        case ast.Constant(value=number):
            fine = isinstance(number, (int, float)) and abs(number) < _CONSTANT
        case ast.Call(func=ast.Name(id=name), args=args, keywords=[]):
            fine = name in _FUNCTIONS and (name not in _POWERS or (len(args) == 2 and _is_small(args[1])))
        case ast.BinOp(op=ast.Pow(), right=power):
            fine = _is_small(power)
        case _:
            fine = isinstance(node, _ALLOWED_NODES)
    if not fine:
        raise ValueError("not arithmetic")


def _is_small(power: ast.AST) -> bool:
    if isinstance(power, ast.UnaryOp):
        power = power.operand
    if isinstance(power, ast.Call) and isinstance(power.func, ast.Name) and power.func.id == "Integer" and power.args:
        power = power.args[0]
    return isinstance(power, ast.Constant) and isinstance(power.value, int | float) and power.value <= _LARGEST_POWER


def _notes(value: dict[str, Any]) -> dict[str, Any]:
    """Of a node, in which module it was and what it was called there; nothing else."""
    kept = {name: value[name] for name in _KEPT if isinstance(value.get(name), str)}
    if not all(_LAYER.fullmatch(text) for text in kept.values()):
        raise Unsafe("a module has a name with control characters")
    return kept

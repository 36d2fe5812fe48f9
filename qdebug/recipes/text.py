"""JSON and YAML as recipes need them: safe, no key twice, and ``1e-6`` a number in both.

PyYAML speaks YAML 1.1, in which neither ``1e-6`` nor every JSON text means what it says; so JSON is read as JSON.
"""

from __future__ import annotations

import json
import re
from typing import Any

import yaml

_FLOAT = "tag:yaml.org,2002:float"
_EXPONENT = re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]+\Z")
_STARTS = list("-+.0123456789")
LARGEST_YAML = 384 * 2**10
"""Characters; PyYAML takes some seconds for so many. JSON is read hundreds of times as fast, and is YAML too."""
_BITS = 64
_TOO_LARGE = f"it holds a whole number of more than {_BITS} bits"
MOST_VALUES = 2**20
"""That a text may stand for: with aliases, a line says ten times what the line before it says."""


class _Loader(yaml.SafeLoader):
    """Refuses a mapping that says the same key twice: one of the two would be lost in silence."""

    def get_single_node(self) -> yaml.Node | None:
        node = super().get_single_node()
        if node is not None and _values(node, {}, set()) > MOST_VALUES:
            raise yaml.YAMLError(f"its aliases stand for more than {MOST_VALUES:,} values")
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[tuple[str, str]] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if (key.tag, key.value) in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key '{key.value}' stands twice", key.start_mark
                    )
                seen.add((key.tag, key.value))
        return super().construct_mapping(node, deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        value = super().construct_yaml_int(node)
        if value.bit_length() > _BITS:
            raise yaml.constructor.ConstructorError(None, None, _TOO_LARGE, node.start_mark)
        return value


class _Dumper(yaml.SafeDumper):
    """Quotes what :class:`_Loader` would read as a number."""


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_implicit_resolver(_FLOAT, _EXPONENT, _STARTS)
_Dumper.add_implicit_resolver(_FLOAT, _EXPONENT, _STARTS)


def read_plain(text: str) -> Any:
    """The plain value in a JSON or YAML text.

    Raises:
        ValueError: it is neither; the message is one line.
    """
    if text.lstrip()[:1] == "{":
        try:
            found = json.loads(text, object_pairs_hook=_once, parse_int=_whole)
            if "\\ud" in text or "\\uD" in text:
                json.dumps(
                    found, ensure_ascii=False
                ).encode()  # halves of characters are no text: nothing can write them
            return found
        except UnicodeEncodeError:
            raise ValueError("it holds half a character") from None
        except json.JSONDecodeError:
            pass  # YAML may begin with a brace too
        except RecursionError as error:
            raise ValueError(_one_line(error)) from None
    if len(text) > LARGEST_YAML:
        raise ValueError(f"it has {len(text):,} characters, and YAML may have {LARGEST_YAML:,}; JSON may have more")
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: it builds plain values only
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(_one_line(error)) from None


def _values(node: yaml.Node, known: dict[int, int], within: set[int]) -> int:
    """How many values a node stands for, each alias counted as what it repeats."""
    if isinstance(node, yaml.ScalarNode):
        return 1
    if id(node) in within:
        raise yaml.YAMLError("a value holds itself")
    if id(node) not in known:
        within.add(id(node))
        inner = [one for pair in node.value for one in (pair if isinstance(pair, tuple) else (pair,))]
        known[id(node)] = 1 + sum(_values(one, known, within) for one in inner)
        within.discard(id(node))
    return known[id(node)]


def write_yaml(plain: Any) -> str:
    """The text of a plain value, keys in their order."""
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for name, value in pairs:
        if name in mapping:
            raise ValueError(f"the key '{name}' stands twice")
        mapping[name] = value
    return mapping


def _whole(digits: str) -> int:
    value = int(digits) if len(digits) < _BITS else None  # Python refuses thousands of digits in words of its own
    if value is None or value.bit_length() > _BITS:
        raise ValueError(_TOO_LARGE)
    return value


def _one_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem and error.problem_mark:
        return f"{error.problem}, line {error.problem_mark.line + 1}"
    return str(error).splitlines()[0] if str(error) else type(error).__name__

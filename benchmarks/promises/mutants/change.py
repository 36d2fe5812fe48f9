"""Changes at random: to bytes, and to values of JSON."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

NUMBERS = (0, 1, -1, 2**31 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1, 10**30)
VALUES = (
    None, True, False, "", "a", "../x", "\0", "\ud800", "é" * 300, [], {}, [[]], {"a": None}, [0] * 70, 0.5, -0.0,
    1e308, float("nan"), float("inf"), "NaN", "int4", "w4a8", "F32", *NUMBERS,
)  # fmt: skip


def other_bytes(data: bytes, dice: random.Random) -> bytes:
    """Some bytes flipped, put in, taken out, repeated, cut off, or replaced by a large number."""
    changed = bytearray(data)
    for _ in range(dice.choice([1, 1, 2, 5])):
        if not changed:
            return b""
        at, width = dice.randrange(len(changed)), dice.choice([1, 1, 2, 8])
        match dice.randrange(7):
            case 0 | 1:
                changed[at] ^= 1 << dice.randrange(8)
            case 2:
                changed[at:at] = dice.randbytes(width)
            case 3:
                del changed[at : at + width]
            case 4:
                changed[at:at] = changed[max(at - width, 0) : at]
            case 5:
                wide = dice.choice([2, 4, 8])
                changed[at : at + wide] = (dice.choice(NUMBERS) % 2 ** (8 * wide)).to_bytes(wide, "little")
            case _:
                if dice.random() < 0.3:
                    del changed[at:]
    return bytes(changed)


def other_values(plain: Any, dice: random.Random) -> Any:
    """A plain value in which something is replaced, taken away, repeated or put elsewhere."""
    changed = copy.deepcopy(plain)
    for _ in range(dice.choice([1, 1, 2, 3])):
        places = [place for place in _places(changed) if place]
        if not places:
            return dice.choice(VALUES)
        *way, last = dice.choice(places)
        at = changed
        for key in way:
            at = at[key]
        match dice.randrange(5):
            case 0:
                del at[last]
            case 1 if isinstance(at, list):
                at.append(copy.deepcopy(at[last]))
            case 1:
                at[dice.choice(["", "a", f"{last}x", "\ud800"])] = copy.deepcopy(at[last])
            case 2:
                other = changed
                for key in dice.choice(places):
                    other = other[key]
                at[last] = copy.deepcopy(other)
            case _:
                at[last] = copy.deepcopy(dice.choice(VALUES))
    return changed


def other_json(text: bytes | str, dice: random.Random) -> bytes:
    """JSON, changed as values mostly, now and then as bytes."""
    raw = text if isinstance(text, bytes) else text.encode()
    if dice.random() < 0.25:
        return other_bytes(raw, dice)
    return json.dumps(other_values(json.loads(raw), dice)).encode("utf-8", "replace")


def _places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [way]
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(items):
        found += _places(inner, (*way, key))
    return found

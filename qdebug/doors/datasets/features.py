"""What the columns of a table hold, as ``dataset_info.json`` or the table's own types say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["text", "messages", "class", "number", "image", "other"]
_NUMBERS = ("int", "uint", "float", "bool")


@dataclass(frozen=True)
class Feature:
    """A column.

    Attributes:
        kind: ``text``, ``messages`` (a list of structures with ``role`` and ``content``), ``class`` (numbers with
            names), ``number``, ``image`` (a structure with ``bytes``), or ``other``: nothing here reads it.
        said: its type in the words of the file.
        classes: the names of classes, in order.
    """

    kind: Kind
    said: str
    classes: tuple[str, ...] = ()


def described(features: Mapping[str, Any]) -> dict[str, Feature]:
    """The columns as ``dataset_info.json`` describes them; a description that is not known is ``other``."""
    return {str(name): _described(feature) for name, feature in features.items()}


def _described(feature: object) -> Feature:
    if isinstance(feature, list) and len(feature) == 1:  # how older versions write a list
        return _listed(feature[0], "List")
    if not isinstance(feature, dict):
        return Feature("other", type(feature).__name__)
    name, kind = str(feature.get("_type", "")), str(feature.get("dtype", ""))
    if name == "Value":
        if kind in ("string", "large_string"):
            return Feature("text", kind)
        return Feature("number" if kind.startswith(_NUMBERS) else "other", kind)
    if name == "ClassLabel":
        names = feature.get("names")
        return Feature("class", name, tuple(map(str, names)) if isinstance(names, list) else ())
    if name == "Image":
        return Feature("image", name)
    if name in ("List", "LargeList", "Sequence"):
        return _listed(feature.get("feature"), name)
    return Feature("other", name or "a structure")


def _listed(inner: object, said: str) -> Feature:
    is_message = isinstance(inner, dict) and {"role", "content"} <= set(inner)
    return Feature("messages" if is_message else "other", said)


def typed(schema: pa.Schema) -> dict[str, Feature]:
    """The columns by their types, where nothing describes them. Names of classes are not among these."""
    return {field.name: _typed(field.type) for field in schema}


def _typed(kind: pa.DataType) -> Feature:
    import pyarrow.types as is_a

    said = str(kind)
    if is_a.is_string(kind) or is_a.is_large_string(kind):
        return Feature("text", said)
    if is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_boolean(kind):
        return Feature("number", said)
    if is_a.is_struct(kind):
        is_image = {field.name for field in kind} == {"bytes", "path"}
        return Feature("image" if is_image else "other", said)
    if is_a.is_list(kind) or is_a.is_large_list(kind):
        inner = kind.value_type
        names = {field.name for field in inner} if is_a.is_struct(inner) else set()
        return Feature("messages" if {"role", "content"} <= names else "other", said)
    return Feature("other", said)

"""What an address of the app names: models that somebody has opened here, and recipes. Torch-free.

An address holds no path: whoever is sent one could be made to open a file that they never chose. A model from a file is
named by an identifier that only this workspace can resolve.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import msgspec

from qdebug.errors import RecipeError
from qdebug.places import sample_names, workspace
from qdebug.recipes import Recipe, dumps, loads
from qdebug.results import ModelRef
from qdebug.tables import opened

NAME = "links.sqlite3"
MOST = 20_000
"""Entries beyond which the oldest are forgotten."""
_TABLES = (
    "CREATE TABLE IF NOT EXISTS link (id TEXT PRIMARY KEY, content TEXT NOT NULL, used REAL NOT NULL) WITHOUT ROWID",
)


class Links:
    """What identifiers stand for.

    Args:
        folder: where the file lies.

    Raises:
        FileError: by every method: the file cannot be read or written.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or workspace()) / NAME

    def name_model(self, ref: ModelRef) -> str:
        """What stands for a model in an address: a sample's own name, or an identifier."""
        if ref == ModelRef(model=ref.model) and ref.model in sample_names():
            return ref.model
        return self._keep("m", msgspec.json.encode(ref).decode())

    def model(self, name: str) -> ModelRef | None:
        """The model that an address names, or None where nobody has opened it here."""
        if name in sample_names():
            return ModelRef(model=name)
        content = self._find("m", name)
        return msgspec.json.decode(content, type=ModelRef) if content else None

    def name_recipe(self, recipe: Recipe) -> str:
        """What stands for a recipe in an address."""
        return self._keep("r", dumps(recipe))

    def recipe(self, name: str) -> Recipe | None:
        """The recipe that an address names, or None where nobody has made it here."""
        content = self._find("r", name)
        try:
            return loads(content) if content else None
        except RecipeError:  # written by another version
            return None

    def _keep(self, kind: str, content: str) -> str:
        name = hashlib.blake2b(content.encode(), digest_size=8).hexdigest()
        with opened(self.path, _TABLES, "Addresses") as file:
            file.execute(
                "INSERT INTO link VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET used = excluded.used",
                (kind + name, content, time.time()),
            )
            file.execute(
                "DELETE FROM link WHERE id IN (SELECT id FROM link ORDER BY used DESC LIMIT -1 OFFSET ?)", (MOST,)
            )
        return name

    def _find(self, kind: str, name: str) -> str | None:
        with opened(self.path, _TABLES, "Addresses") as file:
            row = file.execute("SELECT content FROM link WHERE id = ?", (kind + name,)).fetchone()
            return row[0] if row else None

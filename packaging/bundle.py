"""Build hook: the app's script goes into wheels that are no editable installs, as ``qdebug/_bundle/app.py``."""

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class Bundle(BuildHookInterface[Any]):
    """Adds one file."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called before each build; ``version`` is ``standard`` or ``editable``."""
        if version == "standard":
            build_data["force_include"]["app.py"] = "qdebug/_bundle/app.py"

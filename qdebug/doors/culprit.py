"""Where in somebody's source an exception came from: the file, the line, the module whose forward it is."""

from __future__ import annotations

import ast
import inspect
import linecache
import os
import site
import sysconfig
import textwrap
import traceback
from dataclasses import dataclass
from functools import cached_property
from types import FrameType, TracebackType

from torch import nn

#: Packages whose own lines say nothing about a model: the line that called them does.
_PLUMBING = ("torch", "numpy", "einops", "functorch", "qdebug")
_LONGEST = 120


@dataclass(frozen=True)
class Place:
    """The innermost line of an exception's way that is the model's own.

    Attributes:
        file: the file as Python names it.
        line: its line, from 1.
        text: what stands there, without indentation; empty where the source is not at hand.
        module: path and class of the innermost module that was being run, such as ``body.2 (Branch)``.
        frame: what ran there.
        instruction: the place in the frame's code at which it stopped.
    """

    file: str
    line: int
    text: str
    module: str
    frame: FrameType
    instruction: int

    @property
    def at(self) -> str:
        """File and line, as editors take them; a notebook's cell has no file."""
        is_cell = "ipykernel_" in self.file or self.file.startswith("<ipython-input-")
        return f"notebook cell, line {self.line}" if is_cell else f"{short(self.file)}:{self.line}"

    @cached_property
    def around(self) -> tuple[ast.AST, ...]:
        """The syntax around the expression that failed, outermost first; empty where the source is not at hand."""
        code = self.frame.f_code
        positions = list(code.co_positions())[self.instruction // 2]
        try:
            lines, start_line = inspect.getsourcelines(code)
            tree = ast.parse(textwrap.dedent("".join(lines)))
        except (OSError, SyntaxError, IndentationError):
            return ()
        first, last, start, end = positions
        if first is None or last is None or start is None or end is None:
            return ()
        indent = len(lines[0]) - len(lines[0].lstrip())
        shift = max(start_line, 1) - 1
        begin, stop = (first - shift, start - indent), (last - shift, end - indent)
        return tuple(_spanning(tree, begin, stop))


def place_of(error: BaseException, module: nn.Module) -> Place | None:
    """The innermost line that is neither torch's nor Python's own; None where there is none.

    Args:
        error: what was raised while ``module`` ran.
        module: the model.
    """
    frames = list(_frames(error.__traceback__))
    own = [number for number, (frame, _, _) in enumerate(frames) if _is_own(frame.f_code.co_filename)]
    if not own:
        return None
    names = {id(one): name for name, one in module.named_modules()}
    running = [frame.f_locals.get("self") for frame, _, _ in frames[: own[-1] + 1]]
    inner = next((one for one in reversed(running) if isinstance(one, nn.Module) and id(one) in names), module)
    path = names[id(inner)]
    frame, line, instruction = frames[own[-1]]
    text = linecache.getline(frame.f_code.co_filename, line).strip()
    kind = type(inner).__name__
    said = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return Place(frame.f_code.co_filename, line, said, f"{path} ({kind})" if path else kind, frame, instruction)


def _frames(trace: TracebackType | None) -> list[tuple[FrameType, int, int]]:
    found = []
    for frame, line in traceback.walk_tb(trace):
        assert trace is not None
        found.append((frame, line, trace.tb_lasti))
        trace = trace.tb_next
    return found


def _is_own(file: str) -> bool:
    """Whether a line of a file may be the model's: installed libraries of models count, torch and Python do not."""
    path = os.path.normcase(file)
    if file.startswith("<") and not linecache.getlines(file):  # made by a program, unlike a notebook's cell
        return False
    for root in _installed():
        if path.startswith(root + os.sep):
            return path[len(root) + 1 :].split(os.sep, 1)[0] not in _PLUMBING
    if path.startswith(os.path.normcase(os.path.dirname(os.path.dirname(__file__))) + os.sep):
        return False
    return not path.startswith(os.path.normcase(sysconfig.get_path("stdlib")) + os.sep)


def _installed() -> list[str]:
    """Folders of installed packages."""
    roots = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), *site.getsitepackages()]
    return [
        os.path.normcase(root) for root in dict.fromkeys([*roots, os.path.dirname(os.path.dirname(nn.__path__[0]))])
    ]


def short(file: str) -> str:
    """A path from the current folder, or from the folder of installed packages, where it lies in there."""
    for root in (*_installed(), os.getcwd()):
        if os.path.normcase(file).startswith(os.path.normcase(root) + os.sep):
            return file[len(root) + 1 :]
    return file


def _spanning(tree: ast.AST, begin: tuple[int, int], stop: tuple[int, int]) -> list[ast.AST]:
    """The nodes that hold a stretch of source, outermost first."""
    found: list[ast.AST] = []
    node: ast.AST | None = tree
    while node is not None:
        found.append(node)
        node = next((child for child in ast.iter_child_nodes(node) if _holds(child, begin, stop)), None)
    return found[1:]


def _holds(node: ast.AST, begin: tuple[int, int], stop: tuple[int, int]) -> bool:
    if isinstance(node, ast.comprehension):  # has no place of its own
        return any(_holds(child, begin, stop) for child in ast.iter_child_nodes(node))
    if not isinstance(node, (ast.expr, ast.stmt, ast.ExceptHandler, ast.keyword)):
        return False
    end = (node.end_lineno or 0, node.end_col_offset or 0)
    return (node.lineno, node.col_offset) <= begin and stop <= end

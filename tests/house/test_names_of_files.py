"""A name that somebody else chose becomes a file in one way: ``qdebug.beneath``. No other place joins one to a folder.

A join whose right side stands in the source (a text, a constant, an f-string made of digests and numbers) names a file
of ours. All others are listed here with the reason why the name is nobody else's; whoever writes another either goes
through ``beneath`` or argues here.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import qdebug

ROOT = Path(qdebug.__file__).parent
FOLDERS = {
    "folder", "place", "root", "path", "file", "index", "parent", "target", "here", "above", "home", "entry",
    "workspace",
    "base", "source", "cache", "directory",
}  # fmt: skip
"""What a path is called; numbers that are divided have other names."""

OWN = {
    "beneath.py": "it is the way",
    "doors/confined/process.py: folder / name": "the parent's own names of what the child leaves",
    "doors/confined/read.py: Path(place, name)": "a folder made a line before; the name is the upload's safe one",
    "doors/datasets/table.py: place / name": "one of two constants",
    "doors/huggingface/weights.py: folder / one": "one of two constants",
    "doors/huggingface/weights.py: folder / named": "one of two constants",
    "doors/image_card.py: place / name": "one of three constants",
    "doors/samples.py: root() / name.replace('-', '_')": "one of the samples' names, which is checked",
    "export/onnx/source.py: file.parent.joinpath(location)": "read through beneath a line before; not opened again",
    "export/checkpoints/folder.py: folder / file": "numbered names of shards",
    "jobs/tidy.py: workspace() / name": "one of two constants",
    "whole.py: Path(folder, name)": "what a folder of our own making holds, put onto the disk",
    "export/checkpoints/folder.py: folder / _part(place)": "numbered names of shards",
    "export/checkpoints/folder.py: folder / _part(0)": "numbered names of shards",
    "export/document.py: target / document.name": "the target's own constant",
    "export/onnx/save.py: folder / path.name": "the name of the file that the person asked for",
    "facade/place.py: workspace() / 'opened' / _name(subject)": "a digest",
    "jobs/archives.py: Path(main.name, name)": "a name within an archive that is written",
    "jobs/exports.py: root / name": "a digest",
    "jobs/exports.py: entry / said.path": "the last part of a path, as this process wrote it",
    "jobs/folders.py: os.path.join(folder, name)": "what a walk through a folder of ours finds",
    "jobs/uploads.py: root / _digest(names, contents)": "a digest",
    "jobs/uploads.py: target / name": "created through beneath",
    "jobs/uploads.py: target / names[0]": "created through beneath",
    "report/files.py: place / name": "one of two constants",
    "verify/apart/proxies.py: child.folder / str(self._written)": "a number",
    "verify/latency.py: folder / path.stem": "the name of a file in a folder made before",
    "verify/integer/resizing.py: place / scale": "a division",
    "doors/onnx/ops/resize.py: place / one.scale": "a division",
}


def joins(tree: ast.AST) -> Iterator[ast.expr]:
    """Everything that makes a path of a folder and a name."""
    for node in ast.walk(tree):
        match node:
            case ast.BinOp(op=ast.Div(), left=left, right=right) if _is_folder(left) and not _is_ours(right):
                yield node
            case ast.Call(func=ast.Name(id="Path"), args=[_, *names]) if not all(map(_is_ours, names)):
                yield node
            case ast.Call(func=ast.Attribute(attr="joinpath"), args=names) if not all(map(_is_ours, names)):
                yield node
            case ast.Call(func=ast.Attribute(attr="join", value=ast.Attribute(attr="path"))):
                yield node
            case ast.Call(func=ast.Attribute(attr="with_name"), args=[name]) if not _is_ours(name):
                yield node


def _is_folder(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.strip("_").lower() in FOLDERS
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name in FOLDERS | {"Path", "resolve", "absolute", "expanduser", "private", "cwd"}
        case ast.BinOp(op=ast.Div(), left=left):
            return _is_folder(left)
    return False


def _is_ours(node: ast.expr) -> bool:
    match node:
        case ast.Constant(value=str()) | ast.JoinedStr():
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name.lstrip("_").isupper()
        case ast.BinOp(op=ast.Add(), left=left):
            return _is_ours(left)
    return False


def found(root: Path) -> set[str]:
    """Joins by file, as they are written."""
    listed = set()
    for file in sorted(root.rglob("*.py")):
        place = file.relative_to(root).as_posix()
        for node in joins(ast.parse(file.read_text("utf-8"))):
            listed.add(place if place in OWN else f"{place}: {ast.unparse(node)}")
    return listed


def test_names_become_files_in_one_way():
    here = found(ROOT)
    assert here - set(OWN) == set(), "go through qdebug.beneath, or say here why the name is nobody else's"
    assert set(OWN) - here == set(), "these are no longer there"


def test_a_join_is_found(tmp_path):
    (tmp_path / "one.py").write_text(
        "def f(folder, name):\n"
        "    a = folder / name\n    b = Path(folder, name)\n    c = folder.joinpath(name)\n"
        "    d = os.path.join(folder, name)\n    e = file.with_name(name)\n    g = self.root / 'a' / given['x']\n"
        "    fine = folder / 'x' / NAME, Path(folder, 'x'), size / count, folder / f'{digest}.json'\n"
    )
    assert {one.partition(": ")[2] for one in found(tmp_path)} == {
        "folder / name", "Path(folder, name)", "folder.joinpath(name)", "os.path.join(folder, name)",
        "file.with_name(name)", "self.root / 'a' / given['x']",
    }  # fmt: skip


def test_f_strings_hold_no_name_from_a_file():
    """They are taken for ours, so what they are made of is listed too."""
    pieces = set()
    for file in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and isinstance(node.right, ast.JoinedStr):
                for part in node.right.values:
                    if isinstance(part, ast.FormattedValue):
                        pieces.add(f"{file.relative_to(ROOT).as_posix()}: {ast.unparse(part.value)}")
    assert pieces == {
        "classroom/content.py: slug",  # one of the lessons
        "export/__init__.py: folder.name", "export/__init__.py: stem",  # of the path that the person gave
        "jobs/archives.py: main.name if main.is_dir() else main.stem",  # what was written a moment before
        "jobs/handlers.py: Path(session.info().name).stem or 'model'", "jobs/handlers.py: request.target",
        "jobs/metrics.py: _digest(content)",
        "jobs/runtime.py: self.build",
        "web/core/theme.py: name",  # one of the style sheets
        "session/kept.py: hashlib.blake2b(key, digest_size=16).hexdigest()",
    }  # fmt: skip

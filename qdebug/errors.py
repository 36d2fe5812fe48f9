"""Every error a person can meet, as a small tree. This room imports nothing.

An error says *what* is wrong, *where* (file, layer, tensor, shape ...) and what to *do*. It is raised once, at the
place that knows most, and travels unchanged: through the compute process, to the command line (exit status 2) and
to the screen. What is not in this tree is a fault of ours: it keeps its traceback and ends with exit status 1.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

LONGEST = 4000
"""Characters of a sentence."""
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def written_out(text: str, *, but: str = "") -> str:
    r"""Text in which every character can be seen: names come from strangers.

    Characters that control something, that turn the direction of writing round or that have no width are written as
    their code points; all others stand as they are.

    Args:
        text: such as a layer's name.
        but: characters that are left alone.

    >>> written_out("head\u202egpj.\x1b[31m")
    'head⟨U+202E⟩gpj.⟨U+001B⟩[31m'
    """
    if text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(one):04X}⟩" if unicodedata.category(one) in _UNSEEN and one not in but else one for one in text
    )


class QDebugError(Exception):
    """A mistake that a person can mend. What it says of names can be seen (:func:`written_out`).

    Args:
        what: one sentence, without a full stop at the end, that says what is wrong.
        do: one sentence that says what to do about it.
        where: places by kind, such as ``file="a.npz"``, ``layer="head"``, ``shape="[3, 4]"``. Empty ones are dropped.
    """

    def __init__(self, what: str, *, do: str = "", **where: object) -> None:
        self.what = written_out(_bounded(what), but="\n")
        self.do = written_out(_bounded(do), but="\n")
        self.where = {key: written_out(_bounded(str(value))) for key, value in where.items() if value is not None}
        super().__init__(str(self))

    def __str__(self) -> str:
        places = ", ".join(f"{key} {value}" for key, value in self.where.items())
        text = f"{self.what} ({places})" if places else self.what
        return f"{text}. {self.do}" if self.do else f"{text}."

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self).__name__, self.what, self.do, self.where)


class ModelError(QDebugError):
    """The model cannot be opened, captured or run."""


class DataError(QDebugError):
    """Evaluation or calibration data do not fit the model, or are damaged or empty."""


class RecipeError(QDebugError):
    """A recipe is malformed, or asks for what the model or the format cannot do."""


class NumericError(QDebugError):
    """A NaN or Inf where a number is needed."""


class MethodError(QDebugError):
    """A fix is unknown, or its parameters are out of range."""


class MetricError(QDebugError):
    """A metric of somebody's own fails, or returns something else than it has to."""


class FileError(QDebugError):
    """A file is missing, damaged or of an unknown kind."""


class UsageError(QDebugError):
    """An option or argument makes no sense."""


class WorkerError(QDebugError):
    """The compute process cannot be reached or has died."""


class Cancelled(QDebugError):  # noqa: N818 - the word people see
    """Somebody asked for this work to stop."""

    def __init__(self, what: str = "Cancelled", *, do: str = "", **where: object) -> None:
        super().__init__(what, do=do, **where)


BY_NAME: dict[str, type[QDebugError]] = {
    kind.__name__: kind
    for kind in (
        QDebugError, ModelError, DataError, RecipeError, NumericError, MethodError, MetricError, FileError, UsageError,
        WorkerError, Cancelled,
    )
}  # fmt: skip


def _bounded(text: str) -> str:
    """A text without its middle where it is longer than any sentence: what a file says may be in it."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]} … {text[-LONGEST // 2 :]}"


def _rebuild(kind: str, what: str, do: str, where: dict[str, str]) -> QDebugError:
    return BY_NAME[kind](what, do=do, **where)


def near(wrong: str, known: Iterable[str], *, most: int = 3) -> str:
    """A sentence that lists the names closest to a mistaken one, best first; all of them where none is close.

    >>> near("blcks.0", ["blocks.0", "head"])
    'Did you mean blocks.0?'
    """
    names = [str(name) for name in known]
    close = difflib.get_close_matches(wrong[:200], names, n=most, cutoff=0.5)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    shown = ", ".join(names[:12])
    more = f" … ({len(names)} in all)" if len(names) > 12 else ""
    return f"Known: {shown}{more}." if names else "There are none."

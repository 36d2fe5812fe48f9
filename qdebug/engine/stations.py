"""Which values are worth remembering: the ones an edit of some layer would start from again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qdebug.engine.overwrite import overwriting
from qdebug.graph import Layer, Program
from qdebug.graph.calls import Values, compiled

Call = Callable[[Values], Any]
_MOST = 1024
"""Ways through a program that are laid out and kept."""


@dataclass(frozen=True)
class Segment:
    """How to get one station's value.

    Attributes:
        target: the station.
        sources: stations it needs first.
        steps: the steps to execute, in order, the target last.
        frees: for each of those steps, the values that nothing behind it in the segment reads.
        calls: for each of those steps, what executes it on the values so far.
        over: the operand that the target's call writes over, where it does.
    """

    target: int
    sources: tuple[int, ...]
    steps: tuple[int, ...]
    frees: tuple[tuple[int, ...], ...]
    calls: tuple[Call, ...]
    over: int | None


class Stations:
    """The remembered steps of a program, and the way from each to the next.

    A changed layer changes everything downstream of it. What has to be there to recompute that is its *frontier*: the
    values from outside that downstream part which it reads. The stations are the union of all frontiers, plus the
    output, plus whatever two of them would otherwise compute twice. A view is never a station; what it looks at is.
    """

    def __init__(self, program: Program, layers: Sequence[Layer]) -> None:
        self.program = program
        self._calls = [compiled(step) if step.kind == "op" else _given for step in program.steps]
        self._overwriting = overwriting(program)
        self._orders: dict[tuple[int, ...], tuple[Segment, ...]] = {}
        self._segments: dict[int, Segment] = {}
        self._joined: dict[tuple[int, ...], Segment] = {}
        self.members = frozenset(self._based({program.output} | self._frontiers(layers)))
        while twice := self._computed_twice():
            self.members |= twice

    def order(self, wanted: tuple[int, ...]) -> tuple[Segment, ...]:
        """Every segment that some steps may need when nothing is remembered, in graph order.

        The wanted steps count as stations of this walk, so that none is computed a second time on the way to another.
        """
        known = self._orders.get(wanted)
        if known is None:
            others = set(wanted) - self.members
            stack = [i for i in wanted if self.program.steps[i].kind == "op" and not self.program.constant[i]]
            met: dict[int, Segment] = {}
            while stack:
                index = stack.pop()
                if index not in met:
                    met[index] = self._segment(index, others)
                    stack.extend(met[index].sources)
            if len(self._orders) >= _MOST:
                self._orders.clear()
            known = self._orders[wanted] = tuple(met[index] for index in sorted(met))
        return known

    def _segment(self, target: int, others: set[int]) -> Segment:
        """The way to a step from the stations before it, and from others that lie between."""
        found = self._segments.get(target)
        if found is None:
            found = self._segments[target] = self._trace(target, self.members)
        if any(index in others for index in found.steps if index != target):
            return self._trace(target, self.members | others)
        return found

    def joined(self, segments: Sequence[Segment]) -> Segment:
        """Several segments as one that computes the same without a stop.

        Args:
            segments: all that lead to the first one's target from what they need and none of them computes. That is let
                go of as soon as nothing behind reads it.
        """
        targets = tuple(segment.target for segment in segments)
        found = self._joined.get(targets)
        if found is None:
            stops = {source for segment in segments for source in segment.sources}.difference(targets)
            if len(self._joined) >= _MOST:
                self._joined.clear()
            found = self._trace(targets[0], frozenset(stops))
            found = self._joined[targets] = replace(
                found, frees=self._frees((*found.sources, *found.steps))[-len(found.steps) :]
            )
        return found

    def _trace(self, target: int, stops: frozenset[int]) -> Segment:
        program = self.program
        seen, sources, steps = {target}, set(), []
        stack = [target]
        while stack:
            index = stack.pop()
            if program.constant[index] or program.steps[index].kind != "op":
                continue
            if index != target and index in stops:
                sources.add(index)
                continue
            steps.append(index)
            for source in program.steps[index].inputs:
                if source not in seen:
                    seen.add(source)
                    stack.append(source)
        ordered = tuple(sorted(steps))
        frees = self._frees(ordered)
        over = {i: operand for i, dead in zip(ordered, frees, strict=True) if (operand := self._over(i)) in dead}
        calls = tuple(self._overwriting[i][1] if i in over else self._calls[i] for i in ordered)
        return Segment(target, tuple(sorted(sources)), ordered, frees, calls, over.get(target))

    def _over(self, index: int) -> int | None:
        return self._overwriting[index][0] if index in self._overwriting else None

    def _frees(self, steps: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        own, sources = set(steps), self.program.sources
        last = {source: index for index in steps for source in sources[index] if source in own}
        return tuple(tuple(s for s in sources[index] if last.get(s) == index) for index in steps)

    def _frontiers(self, layers: Sequence[Layer]) -> set[int]:
        """The frontiers of all layers: values that do not depend on some layer, read by a step that does.

        What a step depends on is a number with a bit for each layer, so that deep models take no square of their depth.
        """
        program = self.program
        own: dict[int, int] = {}
        for place, layer in enumerate(layers):
            first = layer.step if layer.loop is None else layer.loop  # a walk over a sequence runs its layers itself
            own[first] = own.get(first, 0) | 1 << place
        depends: list[int] = []
        found: set[int] = set()
        for step in program.steps:
            sources = program.sources[step.index]
            on = own.get(step.index, 0)
            for index in sources:
                on |= depends[index]
            depends.append(on)
            found.update(index for index in sources if on & ~depends[index])
        return found

    def _based(self, wanted: set[int]) -> set[int]:
        """Views replaced by what they look at; constants and inputs left out."""
        based: set[int] = set()
        stack = list(wanted)
        while stack:
            index = stack.pop()
            step = self.program.steps[index]
            if self.program.constant[index] or step.kind != "op":
                continue
            if step.is_view and index != self.program.output:
                stack.extend(step.inputs)
            else:
                based.add(index)
        return based

    def _computed_twice(self) -> set[int]:
        met: set[int] = set()
        twice: set[int] = set()
        for target in sorted(self.members):
            for index in self._trace(target, self.members).steps[:-1]:
                (twice if index in met else met).add(index)
        return {index for index in self._based(twice) if index not in self.members}


def _given(values: Values) -> Any:
    raise AssertionError("inputs and constants are given, not computed")

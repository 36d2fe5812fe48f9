"""From verbs to the session's methods. Torch comes in with the first question that needs it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import msgspec

from qdebug.jobs import exports, verbs
from qdebug.jobs.models import OpenModels, stamp
from qdebug.jobs.runtime import build
from qdebug.jobs.uploads import is_upload
from qdebug.jobs.verbs import Lane, Request
from qdebug.recipes import Recipe
from qdebug.results import Exported, Mixture, ModelInfo, ModelRef

if TYPE_CHECKING:
    from qdebug.engine.work import Work
    from qdebug.session import Session


class SessionHandlers:
    """Answers every verb from open sessions; a model that is not open yet is opened, so a restart loses nothing."""

    def __init__(self) -> None:
        self._models: OpenModels[Session] = OpenModels(_open)

    def warm(self) -> None:
        """Import what the first question would wait for."""
        from qdebug.session.warm import warm

        warm()

    def key(self, request: Request) -> bytes:
        """The question's content, with the state of the files that it names."""
        content = msgspec.msgpack.encode(request)
        if not isinstance(request, verbs.Samples | verbs.GetTargets | verbs.GetStats):
            content += msgspec.msgpack.encode(stamp(request.ref))
        return hashlib.blake2b(content, digest_size=16).digest()

    def lane(self, request: Request) -> Lane:
        """The verb's own lane; ``open`` where the model must be opened first."""
        if isinstance(request, verbs.Samples | verbs.GetTargets | verbs.GetStats | verbs.Inspect):
            return request.lane
        if self._models.is_open(request.ref):
            return request.lane
        return "open"

    def answer(self, request: Request, work: Work) -> object:
        """Ask the session.

        Raises:
            QDebugError: whatever the session met.
        """
        match request:
            case verbs.Samples():
                from qdebug.session import samples

                return samples()
            case verbs.GetTargets():
                from qdebug.export import cards

                return cards()
            case verbs.GetStats():
                from qdebug.session.opening import shared_cache

                return shared_cache().stats()
            case verbs.Inspect(ref):
                return self._inspect(ref, work)
        session = self._models.get(request.ref, work)
        match request:
            case verbs.Open():
                return session.info()
            case verbs.Check(_, recipe):
                return session.check(recipe)
            case verbs.GetScore(_, recipe):
                return session.score(recipe, work)
            case verbs.GetLayers(_, recipe):
                return session.layers(recipe, work)
            case verbs.GetShares(_, recipe):
                return session.shares(recipe, work)
            case verbs.GetSubgroups(_, recipe):
                return session.subgroups(recipe, work)
            case verbs.GetSensitivity(_, recipe, formats, mode, measure):
                from qdebug.search.sensitivity import Question, sensitivity

                question = Question(formats, Recipe(fixes=recipe.fixes), measure)
                return sensitivity(session, question, mode, show=work.part, work=work)
            case verbs.GetDetail(_, recipe, layer):
                return session.detail(recipe, layer, work)
            case verbs.GetFixes(_, recipe):
                return session.fixes(recipe, work)
            case verbs.GetFormats(_, recipe, values):
                return session.compare_formats(values, recipe, work)
            case verbs.GetFormatView(_, recipe, values, notation):
                return session.view_format(values, notation, recipe, work)
            case verbs.GetConvergence(_, recipe, layer):
                return session.range_convergence(recipe, layer, work)
            case verbs.GetCalibrationCurve(_, recipe, subsets):
                return session.calibration_curve(recipe, subsets=subsets, work=work)
            case verbs.GetRangeSetters(_, recipe):
                return session.range_setters(recipe, work)
            case verbs.GetVerdict(_, recipe):
                return session.verdict(recipe, work)
            case verbs.GetDiagnosis(_, recipe):
                from qdebug.search.diagnose import diagnose

                return diagnose(session, recipe, work)
            case verbs.GetMixture():
                return _mixture(request, session, work)
            case verbs.GetExport():
                return self._export(request, session, work)
            case verbs.GetVerified(_, recipe, runtime, simulation):
                from qdebug.verify import verify

                return verify(session, recipe, runtime=runtime, simulation=simulation, work=work)
            case verbs.GetLatency(_, recipe, threads):
                from qdebug.verify import measure_latency

                return measure_latency(session, recipe, threads=threads, work=work)

    def _export(self, request: verbs.GetExport, session: Session, work: Work) -> Exported:
        """Written once for all that goes into it: the model and its data, recipe and target, and this build."""
        from qdebug.export import export_file

        content = self.key(request) + f"{session.info().digest} {build()}".encode()
        name = hashlib.blake2b(content, digest_size=16).hexdigest()
        return exports.kept(name, lambda place: export_file(session, request.recipe, request.target, place, work=work))

    def _inspect(self, ref: ModelRef, work: Work) -> ModelInfo:
        from qdebug.session import inspect

        with self._models.alone(work):
            return inspect(ref.model, work=work, untrusted=is_upload)


def _mixture(request: verbs.GetMixture, session: Session, work: Work) -> Mixture:
    from qdebug.search.mixed import Wish, search
    from qdebug.search.mixed.wish import formats_of
    from qdebug.targets import find_device, find_platform

    wish = Wish(
        formats_of(request.formats), request.recipe, request.unit, ties=request.ties, how=request.how,
        platform=find_platform(request.platform) if request.platform else None,
        device=find_device(request.device) if request.device else None,
    )  # fmt: skip
    return search(session, wish, confirm=request.confirm, work=work)


def _open(ref: ModelRef, work: Work) -> Session:
    from qdebug.session import open_ref

    return open_ref(ref, work, is_upload)

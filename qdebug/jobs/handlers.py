"""From verbs to the session's methods. Torch comes in with the first question that needs it."""

from __future__ import annotations

import hashlib
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from qdebug.jobs import exports, metrics, verbs
from qdebug.jobs.archives import packed
from qdebug.jobs.models import OpenModels, stamp, stamps
from qdebug.jobs.runtime import build
from qdebug.jobs.sweeps import Sweeps
from qdebug.jobs.uploads import is_upload
from qdebug.jobs.verbs import Lane, Request
from qdebug.results import Exported, Mixture, ModelInfo, ModelRef

if TYPE_CHECKING:
    from qdebug.engine.work import Work
    from qdebug.session import Session


class SessionHandlers:
    """Answers every verb from open sessions; a model that is not open yet is opened, so a restart loses nothing."""

    def __init__(self) -> None:
        self._models: OpenModels[Session] = OpenModels(_open)
        self._sweeps = Sweeps()

    def warm(self) -> None:
        """Import what the first question would wait for."""
        from qdebug.session.warm import warm

        warm()

    def key(self, request: Request) -> bytes:
        """The question's content, with the state of the files that it names."""
        content = msgspec.msgpack.encode(request)
        if isinstance(request, verbs.GetScan):
            content += msgspec.msgpack.encode(stamps(request.path))
        elif not isinstance(request, verbs.Samples | verbs.GetTargets | verbs.GetStats):
            content += msgspec.msgpack.encode(stamp(request.ref))
        return hashlib.blake2b(content, digest_size=16).digest()

    def lane(self, request: Request) -> Lane:
        """The verb's own lane; ``open`` where the model must be opened first."""
        if isinstance(request, verbs.Samples | verbs.GetTargets | verbs.GetStats | verbs.GetScan | verbs.Inspect):
            return request.lane
        if self._models.is_open(request.ref):
            return request.lane
        return "open"

    def answer(self, request: Request, work: Work) -> object:
        """Ask the session.

        Raises:
            QDebugError: whatever the session met.
        """
        if isinstance(request, verbs.Samples):
            from qdebug.session import samples

            return samples()
        # First what `warm` imports in a thread of its own: two that meet halfway in a circle would both fail.
        import qdebug.session.warm  # noqa: F401

        match request:
            case verbs.GetTargets():
                from qdebug.export import cards

                return cards()
            case verbs.GetStats():
                from qdebug.session.opening import shared_cache

                return shared_cache().stats()
            case verbs.GetScan(path, formats):
                from qdebug.checkpoint import scan

                return scan(path, formats, work=work)
            case verbs.Inspect(ref):
                return self._inspect(ref, work)
        session = self._models.get(request.ref, work)
        _settled()
        match request:
            case verbs.Open():
                return session.info()
            case verbs.GetGraph():
                return session.graph()
            case verbs.Check(_, recipe):
                return session.check(recipe)
            case verbs.GetScore(_, recipe):
                return session.score(recipe, work, work.part)
            case verbs.GetOutputChange(_, recipe):
                return session.output_change(recipe, work)
            case verbs.GetLayers(_, recipe):
                return session.layers(recipe, work)
            case verbs.GetErrorCourse(_, recipe):
                return session.error_course(recipe, work)
            case verbs.GetShares(_, recipe):
                from qdebug.search.ranking import shares

                return shares(session, recipe, work.part, work)
            case verbs.GetSubgroups(_, recipe):
                return session.subgroups(recipe, work)
            case verbs.GetSensitivity():
                return self._sweeps.answer(request, session, work)
            case verbs.GetOutlook():
                return self._sweeps.outlook(request, session, work)
            case verbs.GetDetail(_, recipe, layer):
                return session.detail(recipe, layer, work)
            case verbs.GetPositionErrors(_, recipe, layer):
                return session.position_errors(recipe, layer, work)
            case verbs.GetCloseUp(_, recipe, layer, look):
                return session.close_up(recipe, layer, look, work)
            case verbs.GetFixes(_, recipe):
                return session.fixes(recipe, work)
            case verbs.GetFixTrial(_, before, after):
                return session.tried(before, after, work)
            case verbs.GetFixEstimate(_, recipe, fix):
                return session.estimate_fix(recipe, fix, work)
            case verbs.GetFormats(_, recipe, values, notations):
                return session.compare_formats(values, recipe, work, notations=notations)
            case verbs.GetFormatView(_, recipe, values, notation, clip):
                return session.view_format(values, notation, recipe, work, clip=clip)
            case verbs.GetInputRanges(_, recipe, layer):
                return session.input_ranges(recipe, layer, work)
            case verbs.GetInputCosines(_, recipe, layer):
                return session.input_cosines(layer, recipe, work)
            case verbs.GetReadRanges(_, recipe, layer):
                return session.read_ranges(layer, recipe, work)
            case verbs.GetClipCurve(_, recipe, layer, notation):
                return session.clip_curve(layer, notation, recipe, work)
            case verbs.GetConvergence(_, recipe, layer):
                return session.range_convergence(recipe, layer, work)
            case verbs.GetCalibrationCurve(_, recipe, subsets):
                return session.calibration_curve(recipe, subsets=subsets, work=work)
            case verbs.GetRangeSetters(_, recipe):
                return session.range_setters(recipe, work)
            case verbs.GetGroupRanges(_, recipe):
                return session.group_ranges(recipe, work)
            case verbs.GetGroupCalibration(_, recipe, take):
                return session.group_calibration(recipe, take=dict(take), work=work)
            case verbs.GetSampling(_, recipe, images, steps, eta, seed):
                return session.sample(recipe, images=images, steps=steps, eta=eta, seed=seed, work=work)
            case verbs.GetVerdict(_, recipe):
                return session.verdict(recipe, work)
            case verbs.GetDiagnosis(_, recipe):
                from qdebug.search.diagnose import diagnose

                return diagnose(session, recipe, work)
            case verbs.GetComparison(_, a, b):
                return session.compare(a, b, work)
            case verbs.GetFlips(_, a, b, direction, start, most):
                return session.flips(a, b, direction, start=start, most=most, work=work)
            case verbs.GetLayerFlips(_, recipe, layer, direction, start, most):
                return session.layer_flips(recipe, layer, direction, start=start, most=most, work=work)
            case verbs.GetMixture():
                return _mixture(request, session, work)
            case verbs.GetUnsaid(_, recipe, target):
                from qdebug.export import beforehand

                return beforehand(session.info(), recipe, target)
            case verbs.GetExport():
                return self._export(request, session, work)
            case verbs.GetReport():
                return self._report(request, session, work)
            case verbs.GetVerified(_, recipe, runtime, simulation):
                from qdebug.verify import verify

                return verify(session, recipe, runtime=runtime, simulation=simulation, work=work)
            case verbs.GetLatency(_, recipe, threads):
                from qdebug.verify import measure_latency

                return measure_latency(session, recipe, threads=threads, work=work)

    def _export(self, request: verbs.GetExport, session: Session, work: Work) -> Exported:
        """Written once for all that goes into it: the model and its data, recipe and target, and this build."""
        from qdebug.export import FOLDERS, export_file

        def write(place: Path) -> Exported:
            target = place
            if request.target in FOLDERS:  # it gets a name that says where it came from
                target = place / f"{Path(session.info().name).stem or 'model'}-{request.target}"
            return packed(export_file(session, request.recipe, request.target, target, work=work), place)

        return exports.kept(self._name(request, session), write)

    def _report(self, request: verbs.GetReport, session: Session, work: Work) -> Exported:
        """Measured and written once, likewise."""
        from qdebug.figures.recipe_words import recipe_title
        from qdebug.report import gather, gather_recipes
        from qdebug.report.files import write_files

        def write(place: Path) -> Exported:
            if request.against is None:
                return write_files(gather(session, request.recipe, runtime=request.runtime, work=work), place)
            names = recipe_title(request.against), recipe_title(request.recipe)
            return write_files(gather_recipes(session, request.against, request.recipe, names=names, work=work), place)

        return exports.kept(self._name(request, session), write)

    def _name(self, request: Request, session: Session) -> str:
        """Names all that a written file is made from."""
        content = self.key(request) + f"{session.info().digest} {build()}".encode()
        return hashlib.blake2b(content, digest_size=16).hexdigest()

    def _inspect(self, ref: ModelRef, work: Work) -> ModelInfo:
        from qdebug.session import inspect

        with self._models.alone(work):
            return inspect(ref.model, work=work, untrusted=is_upload)


def _mixture(request: verbs.GetMixture, session: Session, work: Work) -> Mixture:
    from qdebug.search.mixed import Wish, search
    from qdebug.search.mixed.wish import whole_formats
    from qdebug.search.sweep.journal import Journal
    from qdebug.targets import HERE, find_device, find_platform

    formats, recipe = whole_formats(request.formats, request.recipe)
    here, times = request.device == HERE, None
    with closing(Journal()) as journal:
        if here:
            from qdebug.verify import layer_times

            times = layer_times(session, formats, between=recipe.between, journal=journal, work=work)
        wish = Wish(
            formats, recipe, request.unit, ties=request.ties, how=request.how, times=times, judge=request.judge,
            platform=find_platform(request.platform) if request.platform else None,
            device=find_device(request.device) if request.device and not here else None,
        )  # fmt: skip
        return search(session, wish, confirm=request.confirm, journal=journal, work=work)


def _settled() -> None:
    """Let this thread compute on as many threads as it may, if a sweep kept it from that."""
    from qdebug.engine.threads import settle

    settle()


def _open(ref: ModelRef, work: Work) -> Session:
    from qdebug.session import open_ref

    metrics.check(ref)
    return open_ref(ref, work, is_upload)

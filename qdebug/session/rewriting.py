"""Fixes that leave the float network as it is, put to work on a model in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from msgspec.json import encode as to_json
from msgspec.structs import replace
from torch import Tensor

from qdebug.calibrate import ActivationStats
from qdebug.engine import NOTHING, Overlay, Sheet, Work
from qdebug.methods import scale_salient, smooth
from qdebug.methods.awq import awq_refusal
from qdebug.methods.places import Rescaled, ScaleSite, rescaled, site_refusal
from qdebug.methods.smoothing_search import AlphaSearch
from qdebug.places import workspace
from qdebug.recipes import Awq, CrossLayerEqualization, Fix, LayerPlan, Recipe, SmoothQuant
from qdebug.recipes.fixes import in_order
from qdebug.session.equalizing import Equalized, Equalizer
from qdebug.session.kept import Finding, read, write
from qdebug.session.memo import Memo
from qdebug.session.subject import Subject

if TYPE_CHECKING:
    from qdebug.session.prepare import Preparer

Plans = dict[int, LayerPlan]
_VERSION = b"1"
"""Of what searches for factors find: another one's are not read."""


class Rewrites:
    """Applies a recipe's equivalent fixes, remembering what each leaves by all that it depends on."""

    def __init__(self, preparer: Preparer) -> None:
        self._preparer = preparer
        self._overlays: Memo[Overlay] = Memo(32)
        self._rescaled: Memo[Rescaled] = Memo(32)
        self._equalized: Memo[Equalized] = Memo(32)
        self._equalizer = Equalizer(preparer)
        self._adopted: dict[tuple[Fix, ...], Overlay] = {}

    def adopt(self, fixes: tuple[Fix, ...], found: Overlay) -> None:
        """Take what fixes have rewritten elsewhere for what they would rewrite here, whatever the formats."""
        self._adopted[fixes] = found

    @property
    def _subject(self) -> Subject:
        return self._preparer.subject

    def overlay(self, recipe: Recipe, work: Work) -> Overlay:
        """The tensors that the recipe's function-preserving fixes replace."""
        fixes = _equivalent(recipe)
        return self._adopted.get(fixes) or self._upto(recipe, fixes, work)

    def refusals(self, recipe: Recipe, fix: Awq | SmoothQuant) -> dict[ScaleSite, str | None]:
        """Every place for factors, and why a fix leaves it alone in a recipe; None where it does not."""
        return {site: self._refusal(fix, site, self._plans(recipe)) for site in self._subject.scale_sites}

    def rescaled(self, recipe: Recipe, fix: Awq | SmoothQuant, work: Work) -> Rescaled:
        """What a fix of a recipe moves, and with which factors."""
        return self._moved(self.before(recipe, fix, work), fix, self._plans(recipe), work)

    def equalization(self, recipe: Recipe, work: Work) -> Equalized | None:
        """What cross-layer equalization does under a recipe that asks for it; None for another recipe."""
        fix = next((one for one in recipe.fixes if isinstance(one, CrossLayerEqualization)), None)
        return None if fix is None else self._equalization(self.before(recipe, fix, work), fix, recipe, work)

    def before(self, recipe: Recipe, fix: Fix, work: Work) -> Overlay:
        """What those of a recipe's equivalent fixes replace that come before one of them."""
        fixes = _equivalent(recipe)
        return self._upto(recipe, fixes[: fixes.index(fix)], work)

    def changed(self, recipe: Recipe, fix: Fix, work: Work) -> frozenset[int]:
        """The tensors, by step, that one of a recipe's equivalent fixes makes other than they were before it."""
        before = self.before(recipe, fix, work)
        fixes = _equivalent(recipe)
        after = self._upto(recipe, fixes[: fixes.index(fix) + 1], work)
        if after is before:
            return frozenset()
        sheets = self._preparer.float_sheet_of(before), self._preparer.float_sheet_of(after)
        return frozenset(index for index in after.tensors if sheets[0].keys[index] != sheets[1].keys[index])

    def _upto(self, recipe: Recipe, fixes: tuple[Fix, ...], work: Work) -> Overlay:
        plans, overlay, decided = self._plans(recipe) if fixes else {}, NOTHING, ()
        for fix in fixes:
            seen = _formats(recipe, fix) if isinstance(fix, CrossLayerEqualization) else self._looked_at(fix, plans)
            before, decided = overlay, (*decided, fix, seen)
            overlay = self._overlays.get(decided, lambda b=before, f=fix: self._applied(b, f, recipe, work))
        return overlay

    def _plans(self, recipe: Recipe) -> Plans:
        return {layer.step: recipe.plan_for(layer.name, layer.kind) for layer in self._subject.layers}

    def _looked_at(self, fix: Fix, plans: Plans) -> tuple[object, ...]:
        """What a fix takes from the layers' plans: equal where it gives the same."""
        if isinstance(fix, Awq):
            return tuple(plan.weight for plan in plans.values())
        assert isinstance(fix, SmoothQuant)
        return tuple(plans.values()) if fix.search else self._sites(fix, plans)

    def _sites(self, fix: Awq | SmoothQuant, plans: Plans) -> tuple[ScaleSite, ...]:
        return tuple(site for site in self._subject.scale_sites if self._refusal(fix, site, plans) is None)

    def _refusal(self, fix: Awq | SmoothQuant, site: ScaleSite, plans: Plans) -> str | None:
        weights = {step: plan.weight for step, plan in plans.items()}
        if isinstance(fix, Awq):
            return awq_refusal(site, weights)
        if any(plans[layer.step].activation.range == "stored" for layer in site.layers):
            return "the activation's range came with the model's file"
        return site_refusal(site, weights)

    def _applied(self, overlay: Overlay, fix: Fix, recipe: Recipe, work: Work) -> Overlay:
        if isinstance(fix, CrossLayerEqualization):
            work.step(0, 1, "equalizing channel ranges")
            return self._equalization(overlay, fix, recipe, work).rescaled.overlay
        assert isinstance(fix, (Awq, SmoothQuant))
        return overlay.updated(self._moved(overlay, fix, self._plans(recipe), work).tensors)

    def _equalization(self, before: Overlay, fix: CrossLayerEqualization, recipe: Recipe, work: Work) -> Equalized:
        key = (before, fix, _formats(recipe, fix))
        return self._equalized.get(key, lambda: self._equalizer.equalized(before, fix, recipe, work))

    def _moved(self, overlay: Overlay, fix: Awq | SmoothQuant, plans: Plans, work: Work) -> Rescaled:
        seen = self._looked_at(fix, plans)
        if isinstance(fix, SmoothQuant) and not fix.search:
            return self._rescaled.get((overlay, fix, seen), lambda: self._smoothed(overlay, fix, plans, work))
        return self._rescaled.get((overlay, fix, seen), lambda: self._searched(overlay, fix, plans, work))

    def _searched(self, overlay: Overlay, fix: Awq | SmoothQuant, plans: Plans, work: Work) -> Rescaled:
        """What a search for factors finds, or has found: they are kept in the workspace."""
        subject, sheet = self._subject, self._preparer.float_sheet_of(overlay)
        parts = [sheet.keys[subject.program.output], to_json(fix), _VERSION]
        parts += [to_json(plan) for plan in self._looked_at(fix, plans)]
        key = b"|".join([*parts, *(batch.key for batch in subject.calib_batches)])
        kept = read(workspace(), key)
        if kept is not None and set(kept.tensors) <= set(range(len(subject.scale_sites))):
            factors = {subject.scale_sites[place]: found for place, found in kept.tensors.items()}
            strengths = {subject.scale_sites[place]: float(alpha) for place, alpha in kept.biases.items()}
            return rescaled(_Current(sheet, subject).__getitem__, factors, strengths)
        if isinstance(fix, Awq):
            found = self._scaled(overlay, fix, plans, work)
        else:
            found = self._smoothed(overlay, fix, plans, work)
        places = {site: place for place, site in enumerate(subject.scale_sites)}
        alphas = {places[site]: torch.tensor(alpha, dtype=torch.float64) for site, alpha in found.strengths.items()}
        write(workspace(), key, Finding({places[site]: one for site, one in found.factors.items()}, alphas, {}, {}))
        return found

    def _scaled(self, overlay: Overlay, fix: Awq, plans: Plans, work: Work) -> Rescaled:
        subject, sheet = self._subject, self._preparer.float_sheet_of(overlay)
        weights = {step: plan.weight for step, plan in plans.items()}
        return scale_salient(subject.engine, sheet, subject.calib_batches, subject.scale_sites, weights, fix, work)

    def _smoothed(self, overlay: Overlay, fix: SmoothQuant, plans: Plans, work: Work) -> Rescaled:
        subject, sheet, sites = self._subject, self._preparer.float_sheet_of(overlay), self._sites(fix, plans)
        maxima = {one.name: _maxima(self._preparer.stats(overlay, one, work)) for one in (s.layers[0] for s in sites)}
        tensors = _Current(sheet, subject)
        if not fix.search:
            return smooth(tensors, sites, maxima, fix.alpha)
        search = AlphaSearch(subject.engine, sheet, subject.calib_batches, plans, fix.steps, work)
        return smooth(tensors, sites, maxima, search.prepared(sites))


def _equivalent(recipe: Recipe) -> tuple[Fix, ...]:
    return tuple(fix for fix in in_order(recipe.fixes) if fix.stage == "equivalent")


def _formats(recipe: Recipe, fix: CrossLayerEqualization) -> str:
    """What the fix takes from a recipe: its formats, where these decide what is taken back."""
    return replace(recipe, fixes=()).digest if fix.guard else ""


class _Current(dict[int, Tensor]):
    """Constants by step index as a sheet has them."""

    def __init__(self, sheet: Sheet, subject: Subject) -> None:
        super().__init__()
        self._sheet, self._subject = sheet, subject

    def __missing__(self, index: int) -> Tensor:
        value: Tensor = self._sheet.constant(index, self._subject.engine.cache)
        return value


def _maxima(stats: ActivationStats) -> Tensor:
    low, high = torch.as_tensor(stats.channel_low), torch.as_tensor(stats.channel_high)
    return torch.maximum(low.abs(), high.abs()).double()

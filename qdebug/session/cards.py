"""What each fix would do to this model under this recipe: where it applies, where not and why."""

from __future__ import annotations

import msgspec
from torch import Tensor

from qdebug.engine import NOTHING, Overlay, Sheet, Work
from qdebug.graph import Layer, ScaleGroup
from qdebug.measure import channel_limits, channel_ranges
from qdebug.methods.places import Rescaled, ScaleSite
from qdebug.recipes import Awq, BiasCorrection, CrossLayerEqualization, Fix, Recipe, SmoothQuant, with_fix, without_fix
from qdebug.recipes.fixes import KINDS, name_of
from qdebug.recipes.fixes.compose import why_not
from qdebug.recipes.fixes.parameters import Parameter, parameters
from qdebug.results import ChannelRanges, FixCard, FixParameter, FixSite
from qdebug.session.equalizing import in_words, refusal
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject

_DEFAULTS: tuple[Fix, ...] = tuple(kind() for kind in KINDS)

_ALONE = "Measured with weights rounded to nearest, without the recipe's other fixes."
"""What an equalization's own measure leaves out."""


class Cards:
    """Builds the fix cards of a recipe."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer

    def cards(self, recipe: Recipe, work: Work) -> tuple[FixCard, ...]:
        """A card per fix, with the recipe's parameters where it has the fix and the default ones elsewhere."""
        active = {name_of(fix): fix for fix in recipe.fixes}
        return tuple(self._card(recipe, active.get(name_of(fix), fix), work) for fix in _DEFAULTS)

    def _card(self, recipe: Recipe, fix: Fix, work: Work) -> FixCard:
        return FixCard(
            method=name_of(fix), title=fix.title, about=f"{fix.about} {fix.caution}".strip(),
            cures=fix.cures, source=fix.source, stage=fix.stage, pace=fix.pace,
            sites=self._sites(recipe, fix, work), active=fix in recipe.fixes,
            parameters=tuple(_parameter(fix, one) for one in parameters(type(fix))),
            replaces=tuple(
                one.title for one in recipe.fixes if type(one) is not type(fix) and why_not(one, fix) is not None
            ),
            outcome=self._outcome(recipe, fix, work),
        )  # fmt: skip

    def _outcome(self, recipe: Recipe, fix: Fix, work: Work) -> str:
        """What the recipe's own fix came to, where it measures that itself."""
        measures = isinstance(fix, CrossLayerEqualization) and fix in recipe.fixes
        found = self._preparer.rewrites.equalization(recipe, work) if measures else None
        if found is None:
            return ""
        later = any(one.stage != "equivalent" for one in recipe.fixes)
        return f"{in_words(found)} {_ALONE}" if later and found.before is not None else in_words(found)

    def _sites(self, recipe: Recipe, fix: Fix, work: Work) -> tuple[FixSite, ...]:
        if isinstance(fix, BiasCorrection):
            return self._bias_sites(recipe, fix, work)
        if fix.stage != "equivalent":
            places = self._preparer.repairs.places(recipe, fix)
            return tuple(FixSite(layers=(layer.name,), refused=refused) for layer, refused in places)
        if isinstance(fix, (Awq, SmoothQuant)):
            return self._factor_sites(recipe, fix, work)
        without = without_fix(recipe, name_of(fix))
        before = self._preparer.float_with_fixes(without, work)
        assert isinstance(fix, CrossLayerEqualization)
        # measured only for a recipe that has it: a card shows what it would make equal
        own = fix if fix in recipe.fixes else msgspec.structs.replace(fix, guard=False)
        return self._cle_sites(fix, before, self._preparer.float_with_fixes(with_fix(without, own), work))

    def _cle_sites(self, fix: CrossLayerEqualization, before: Sheet, after: Sheet) -> tuple[FixSite, ...]:
        groups = self._subject.scale_groups
        return tuple(self._cle_site(group, refusal(group, fix), before, after) for group in groups)

    def _cle_site(self, group: ScaleGroup, refused: str | None, before: Sheet, after: Sheet) -> FixSite:
        names = (*(one.name for one in group.writers), *(one.layer.name for one in group.readers))
        first = len(group.writers)
        if refused:
            return FixSite(layers=names, refused=refused, first=first)
        writer = group.writers[0]
        return FixSite(
            layers=names, refused=None, tensor=f"weights of {writer.name}, per output channel", first=first,
            before=self._weight_ranges(before, writer), after=self._weight_ranges(after, writer),
        )  # fmt: skip

    def _factor_sites(self, recipe: Recipe, fix: Awq | SmoothQuant, work: Work) -> tuple[FixSite, ...]:
        """Places for factors, and the layers that have none."""
        rewrites = self._preparer.rewrites
        refused = {(one.name, *_names(one.layers)): one.refused for one in self._subject.norm_sites if one.refused}
        refused |= {(one.writer.name, *_names(one.readers)): one.refused for one in self._subject.flows if one.refused}
        refused |= {(name,): reason for name, reason in self._subject.unplaced.items()}
        found = rewrites.refusals(recipe, fix)
        # A search takes longer than a card may, unless the recipe has it anyway.
        live = isinstance(fix, SmoothQuant) and not fix.search
        shown = recipe if fix in recipe.fixes else with_fix(without_fix(recipe, name_of(fix)), fix) if live else None
        moved = None if shown is None else rewrites.rescaled(shown, fix, work)
        before = NOTHING if shown is None else rewrites.before(shown, fix, work)
        sites = [self._factor_site(site, why, moved, before, work) for site, why in found.items()]
        return (*sites, *(FixSite(layers=names, refused=reason) for names, reason in refused.items()))

    def _factor_site(
        self, site: ScaleSite, why: str | None, moved: Rescaled | None, before: Overlay, work: Work
    ) -> FixSite:
        names = (site.name, *_names(site.layers))
        if why is not None or moved is None:
            return FixSite(layers=names, refused=why)
        if site not in moved.factors:
            return FixSite(layers=names, refused=None, note="left as it is: no factors were better than none")
        stats, factors = self._preparer.stats(before, site.layers[0], work), moved.factors[site].numpy()
        alpha = moved.strengths.get(site)
        return FixSite(
            layers=names, refused=None, tensor=f"input of {site.layers[0].name}, per channel",
            note="" if alpha is None else f"α = {alpha:g}",
            before=channel_ranges(stats.channel_low, stats.channel_high),
            after=channel_ranges(stats.channel_low / factors, stats.channel_high / factors),
        )  # fmt: skip

    def _bias_sites(self, recipe: Recipe, fix: BiasCorrection, work: Work) -> tuple[FixSite, ...]:
        # A sheet takes as long as the recipe's slow fixes do: only for what the recipe has anyway.
        sheet = self._preparer.sheet(recipe, work) if fix in recipe.fixes else None
        blind: dict[int, str] = {}
        if fix.means == "batch-norm":
            _, blind = self._preparer.repairs.expected(self._preparer.float_with_fixes(recipe, work))
        return tuple(
            self._bias_site(layer, sheet, recipe, fix, blind.get(layer.step), work) for layer in self._subject.layers
        )

    def _bias_site(
        self, layer: Layer, sheet: Sheet | None, recipe: Recipe, fix: BiasCorrection, blind: str | None, work: Work
    ) -> FixSite:  # fmt: skip
        if layer.kind == "embedding":
            return FixSite(layers=(layer.name,), refused="an embedding has no bias")
        plan = recipe.plan_for(layer.name, layer.kind)
        if plan.weight.is_float32 and plan.activation.is_float32:
            return FixSite(layers=(layer.name,), refused="it runs in float: there is nothing to correct")
        if fix.means == "batch-norm" and plan.weight.is_float32:
            blind = "its weight stays in float, and without data nothing is known of its input's error"
        if blind is not None or sheet is None:
            return FixSite(layers=(layer.name,), refused=blind)
        removed = self._removed(layer, sheet, recipe, work)
        zero = removed * 0
        return FixSite(
            layers=(layer.name,), refused=None, tensor=f"mean output error of {layer.name}, per channel",
            before=channel_ranges(removed.clamp(max=0).numpy(), removed.clamp(min=0).numpy()),
            after=channel_ranges(zero.numpy(), zero.numpy()),
        )  # fmt: skip

    def _removed(self, layer: Layer, sheet: Sheet, recipe: Recipe, work: Work) -> Tensor:
        """The mean error that the correction took out of each channel."""
        if layer.bias is None:
            return -sheet.overlay.biases[layer.step].double()
        before = self._preparer.float_with_fixes(recipe, work).constant(layer.bias, self._subject.engine.cache)
        after = sheet.constant(layer.bias, self._subject.engine.cache)
        return (before - after).double()

    def _weight_ranges(self, sheet: Sheet, layer: Layer) -> ChannelRanges:
        weight = sheet.constant(layer.weight, self._subject.engine.cache)
        return channel_ranges(*channel_limits(weight, layer.out_axis))


def _names(layers: tuple[Layer, ...]) -> tuple[str, ...]:
    return tuple(layer.name for layer in layers)


def _parameter(fix: Fix, one: Parameter) -> FixParameter:
    return FixParameter(
        name=one.name, kind=one.kind, value=getattr(fix, one.name), default=one.default, choices=one.choices,
        about=one.about,
    )  # fmt: skip

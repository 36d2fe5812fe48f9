"""What each fix would do to this model under this recipe: where it applies, where not and why."""

from __future__ import annotations

from torch import Tensor

from qdebug.engine import Sheet, Work
from qdebug.graph import Chain, Layer, NormSite
from qdebug.measure import channel_limits, channel_ranges
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, Fix, Recipe, SmoothQuant, with_fix, without_fix
from qdebug.recipes.fixes import name_of
from qdebug.results import ChannelRanges, FixCard, FixSite
from qdebug.session.prepare import Preparer
from qdebug.session.subject import Subject

_ABOUT = {
    "cle": (
        "Cross-layer equalization",
        "Rescales neighbouring layers so that every channel has the same range on both sides of the activation. "
        "The float network computes the same; one scale per tensor then fits all channels.",
        "Nagel et al., ICCV 2019 (arXiv:1906.04721)",
    ),
    "smoothquant": (
        "SmoothQuant",
        "Divides outlier channels of normalized activations by a factor that the following weights take up. "
        "α sets how much of the difficulty moves from activations to weights.",
        "Xiao et al., ICML 2023 (arXiv:2211.10438)",
    ),
    "bias-correction": (
        "Bias correction",
        "Measures each output channel's mean error on calibration data and takes it out of the bias, layer by layer. "
        "It is the only fix here that changes the float network.",
        "Nagel et al., ICCV 2019 (arXiv:1906.04721)",
    ),
}
_DEFAULTS: tuple[Fix, ...] = (CrossLayerEqualization(), SmoothQuant(), BiasCorrection())


class Cards:
    """Builds the fix cards of a recipe."""

    def __init__(self, subject: Subject, preparer: Preparer) -> None:
        self._subject, self._preparer = subject, preparer

    def cards(self, recipe: Recipe, work: Work) -> tuple[FixCard, ...]:
        """A card per fix, with the recipe's parameters where it has the fix and the default ones elsewhere."""
        active = {name_of(fix): fix for fix in recipe.fixes}
        return tuple(self._card(recipe, active.get(name_of(fix), fix), work) for fix in _DEFAULTS)

    def _card(self, recipe: Recipe, fix: Fix, work: Work) -> FixCard:
        method = name_of(fix)
        title, about, source = _ABOUT[method]
        without = without_fix(recipe, method)
        if isinstance(fix, BiasCorrection):
            sites = self._bias_sites(recipe, fix in recipe.fixes, work)
        else:
            before = self._preparer.float_with_fixes(without, work)
            after = self._preparer.float_with_fixes(with_fix(without, fix), work)
            sites = self._cle_sites(before, after) if method == "cle" else self._smooth_sites(before, after, work)
        return FixCard(method=method, title=title, about=about, source=source, sites=sites)

    def _cle_sites(self, before: Sheet, after: Sheet) -> tuple[FixSite, ...]:
        return tuple(self._cle_site(chain, before, after) for chain in self._subject.chains)

    def _cle_site(self, chain: Chain, before: Sheet, after: Sheet) -> FixSite:
        names = (chain.first.name, chain.second.name)
        if chain.refused:
            return FixSite(layers=names, refused=chain.refused)
        return FixSite(
            layers=names, refused=None, tensor=f"weights of {chain.first.name}, per output channel",
            before=self._weight_ranges(before, chain.first), after=self._weight_ranges(after, chain.first),
        )  # fmt: skip

    def _smooth_sites(self, before: Sheet, after: Sheet, work: Work) -> tuple[FixSite, ...]:
        return tuple(self._smooth_site(site, before, after, work) for site in self._subject.norm_sites)

    def _smooth_site(self, site: NormSite, before: Sheet, after: Sheet, work: Work) -> FixSite:
        names = (site.name, *(layer.name for layer in site.layers))
        if site.refused or site.scale is None:
            return FixSite(layers=names, refused=site.refused)
        stats = self._preparer.stats(before.overlay, site.layers[0], work)
        cache = self._subject.engine.cache
        old, new = before.constant(site.scale, cache).double(), after.constant(site.scale, cache).double()
        # The activation is divided by exactly what the normalization's scale was divided by.
        ratio = (new / old.where(old != 0, old.new_ones(()))).where(old != 0, old.new_ones(())).numpy()
        return FixSite(
            layers=names, refused=None, tensor=f"input of {site.layers[0].name}, per channel",
            before=channel_ranges(stats.channel_low, stats.channel_high),
            after=channel_ranges(stats.channel_low * ratio, stats.channel_high * ratio),
        )  # fmt: skip

    def _bias_sites(self, recipe: Recipe, active: bool, work: Work) -> tuple[FixSite, ...]:
        sheet = self._preparer.sheet(recipe, work)
        return tuple(self._bias_site(layer, sheet, recipe, active, work) for layer in self._subject.layers)

    def _bias_site(self, layer: Layer, sheet: Sheet, recipe: Recipe, active: bool, work: Work) -> FixSite:
        if layer.kind == "embedding":
            return FixSite(layers=(layer.name,), refused="an embedding has no bias")
        if layer.step not in sheet.quants:
            return FixSite(layers=(layer.name,), refused="it runs in float: there is nothing to correct")
        if not active:
            return FixSite(layers=(layer.name,), refused=None)
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

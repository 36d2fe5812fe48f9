"""Fixes that choose which code each weight gets, in the place of the nearest one."""

from __future__ import annotations

from typing import Literal

from qdebug.recipes.fixes.base import NO_GUARD, BaseFix


class Gptq(BaseFix, frozen=True, tag="gptq"):
    """Round column by column, each column's error taken up by those that follow (Frantar et al. 2023).

    Attributes:
        damping: what is added to the Hessian's diagonal, as a fraction of its mean.
        act_order: columns of large activations first.
        block: columns whose updates are gathered before they reach the rest.
        groups: ``static`` keeps the scales of rounding to nearest; ``updated`` chooses a group's scale from its weights
            as they stand when its first column is reached.
        guard: rows that would be further from what they computed than with rounding to nearest stay with that; not part
            of the paper.
    """

    stage = "rounding"
    pace = "seconds"
    title = "GPTQ"
    about = (
        "Rounds the weights of a layer one input column after the other. What each column's rounding changes in the "
        "layer's output on calibration data, the columns not yet rounded make up for."
    )
    cures = "too few bits"
    source = "Frantar et al., ICLR 2023 (arXiv:2210.17323)"

    damping: float = 0.01
    act_order: bool = False
    block: int = 128
    groups: Literal["static", "updated"] = "static"
    guard: bool = True


class Gpfq(BaseFix, frozen=True, tag="gpfq"):
    """Round column by column, each the best for the error so far (Lybrand and Saab 2021).

    Attributes:
        block: columns whose errors are gathered before they reach the rest.
        guard: rows that would be further from what they computed than with rounding to nearest stay with that; not part
            of the papers.
    """

    stage = "rounding"
    pace = "seconds"
    title = "GPFQ"
    about = (
        "Rounds the weights of a layer one input column after the other, each so that the layer's output on quantized "
        "inputs stays next to what it was on float ones. Needs no inverse of a matrix, and no column waits for later "
        "ones to make up for it."
    )
    cures = "too few bits"
    source = "Lybrand and Saab, JMLR 2021 (arXiv:2010.11065); Zhang, Zhou and Saab, SIMODS 2023 (arXiv:2201.11113)"

    block: int = 128
    guard: bool = True


class Ldlq(BaseFix, frozen=True, tag="ldlq"):
    """Round column by column, with linear feedback from the columns before (Chee et al. 2023, section 3).

    Attributes:
        damping: what is added to the Hessian's diagonal, as a fraction of its mean.
        block: columns whose feedback from all columns before is computed at once.
    """

    stage = "rounding"
    pace = "seconds"
    title = "LDLQ"
    about = (
        "Rounds the weights of a layer one input column after the other, each with the linear feedback of the errors "
        "before it that is best for the layer's output. With GPTQ's numbers, from another factorization; after a "
        "Hadamard rotation it is QuIP."
    )
    caution = NO_GUARD
    cures = "too few bits"
    source = "Chee et al., NeurIPS 2023 (arXiv:2307.13304)"

    damping: float = 0.01
    block: int = 128

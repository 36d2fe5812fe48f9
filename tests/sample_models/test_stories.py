"""Each sample tells the story its card promises, and the numbers on the card are the engine's."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest
import torch
import yaml

from qdebug.doors import SAMPLE_NAMES, load_sample
from qdebug.doors.samples import root
from qdebug.recipes import BiasCorrection, CrossLayerEqualization, SmoothQuant, preset
from qdebug.session import open as open_model
from sample_models.cards import differences, measure


@pytest.fixture(scope="module")
def opened():
    return {}


@pytest.fixture
def session(request, opened):
    name = request.param
    if name not in opened:
        opened[name] = open_model(name)
    return opened[name]


def quantized(session, recipe, *fixes):
    return session.score(msgspec.structs.replace(preset(recipe), fixes=fixes)).metric


def lost_points(session, recipe, *fixes):
    metric = quantized(session, recipe, *fixes)
    return 100 * (metric.float_ - metric.quantized)


@pytest.mark.parametrize("session", ["digits-resnet"], indirect=True)
def test_the_control_is_sound(session):
    assert lost_points(session, "w8a8") < 0.5
    assert session.verdict("w8a8").healthy


@pytest.mark.parametrize("session", ["digits-mobilenet"], indirect=True)
def test_mobilenet_breaks_and_is_repaired(session):
    pairs = CrossLayerEqualization(residual=False)  # as in the paper
    nothing = lost_points(session, "w8a8")
    bias = lost_points(session, "w8a8", BiasCorrection())
    equalized = lost_points(session, "w8a8", pairs)
    both = lost_points(session, "w8a8", pairs, BiasCorrection())
    assert nothing >= 30
    assert nothing > bias > equalized > both
    assert lost_points(session, "w8a8", CrossLayerEqualization()) <= both
    assert both <= 1
    assert nothing > lost_points(session, "w8a8-pc") > both
    assert not session.verdict("w8a8").healthy
    assert session.verdict("w8a8").worst


@pytest.mark.parametrize("session", ["digits-longtail"], indirect=True)
def test_the_rare_digits_pay_for_all(session):
    found = session.subgroups("w4a8")
    assert -0.03 < found.overall.delta < -0.01
    groups = {row.name: row for row in found.rows if row.key == "group"}
    assert (groups["common"].flips, groups["medium"].flips) == (0, 0)
    assert groups["rare"].flips == found.overall.flips
    assert groups["rare"].significant
    assert found.worst.name in ("1", "8")
    assert session.subgroups("w4a8-pc").worst is None


def test_the_long_tail_is_cut_as_its_card_says():
    from sample_models.digits_longtail.train import counts, long_tail

    _, labels = long_tail()
    assert np.bincount(labels).tolist() == [number for _, number in sorted(counts().items())]
    calib = load_sample("digits-longtail").calib["labels"]
    assert np.bincount(calib)[0] > 10 * np.bincount(calib)[8]


@pytest.mark.parametrize("session", ["digits-vit"], indirect=True)
def test_vit_has_outlier_channels_that_smoothquant_moves(session):
    assert lost_points(session, "w8a8") >= 10
    assert lost_points(session, "w8a8", SmoothQuant(alpha=0.5)) <= 1
    kinds = {(finding.kind, finding.tensor) for finding in session.findings("w8a8")}
    assert ("outlier-channels", "activation") in kinds


@pytest.mark.parametrize("session", ["pydoc-gpt"], indirect=True)
def test_gpt_wants_groups(session):
    ruined, grouped = quantized(session, "w4a16"), quantized(session, "w4g32a16")
    assert ruined.quantized > 2 * ruined.float_
    assert grouped.quantized < 1.05 * grouped.float_
    assert session.info().params >= 10**6


@pytest.mark.parametrize("session", SAMPLE_NAMES, indirect=True)
def test_the_card_is_true(session):
    name = session.info().name
    card = yaml.safe_load((root() / name.replace("-", "_") / "card.yaml").read_text())
    assert not differences(card, measure(session, card))
    assert card["params"] == session.info().params


@pytest.mark.parametrize("name", SAMPLE_NAMES)
def test_evaluation_and_calibration_are_disjoint(name):
    sample = load_sample(name)
    key = next(key for key in sample.data if key != "labels")
    rows = {row.tobytes() for row in np.ascontiguousarray(sample.data[key])}
    assert not any(row.tobytes() in rows for row in np.ascontiguousarray(sample.calib[key]))


def test_all_samples_fit_in_fifteen_megabytes():
    assert (
        sum(path.stat().st_size for path in root().rglob("*") if path.suffix in (".npz", ".safetensors")) < 15 * 2**20
    )


@pytest.mark.parametrize("session", SAMPLE_NAMES, indirect=True)
def test_the_engine_computes_what_the_module_computes(session):
    sample, subject = load_sample(session.info().name), session._subject
    batch = subject.eval_batches[0]
    with torch.no_grad():
        expected = sample.module(**batch.inputs)
    torch.testing.assert_close(
        subject.engine.output(session._preparer.float_sheet, batch), expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("session", ["digits-ddpm"], indirect=True)
def test_a_diffusion_model_suffers_by_timestep(session):
    rows = {row.name: row for row in session.subgroups("w8a8").rows}
    assert list(rows) == [str(timestep) for timestep in range(5, 100, 10)]
    others = [row.output_db for name, row in rows.items() if name != "5"]
    assert rows["5"].output_db < min(others) - 5
    assert session.info().sampler.steps == 100


@pytest.mark.parametrize("session", ["digits-ddpm"], indirect=True)
def test_one_timestep_alone_calibrates_worse_than_all(session):
    found = session.group_calibration("w8a8")
    ways = {way.name: way for way in found.ways}
    assert all(way.metric > ways["uniform"].metric for name, way in ways.items() if name.startswith("only"))
    first, last = ways["only 5"], ways["only 95"]
    assert first.metric > 1.3 * found.float_value
    assert first.by_group[-1] > 100 * found.float_by_group[-1]
    assert last.by_group[0] > ways["uniform"].by_group[0]


def test_the_noised_images_are_those_of_equation_4():
    from sample_models.digits_ddpm.train import TIMESTEPS, kept, noised

    data = load_sample("digits-ddpm").data
    assert sorted(set(data["timestep"].tolist())) == list(TIMESTEPS)
    share = np.cumprod(1 - np.linspace(0.001, 0.2, 100))
    assert kept()[1:].numpy() == pytest.approx(share, rel=1e-9)
    left = share[data["timestep"] - 1][:, None, None, None]
    clean = (data["image"] - np.sqrt(1 - left) * data["labels"]) / np.sqrt(left)
    early = data["timestep"] <= 45  # later, rounding to 1/1024 is more than what is left of the image
    assert np.abs(clean[early]).max() < 1.02
    one = noised(torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1), torch.tensor([3]))
    assert one.item() == pytest.approx(np.sqrt(share[2]))

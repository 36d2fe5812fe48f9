"""What a slow fix has found is kept in a file, read again to the same bytes, and computed anew where it is damaged."""

from __future__ import annotations

import pytest
import torch

from qdebug.engine import NOTHING, LayerQuant, Rounded, Work
from qdebug.formats import FORMATS
from qdebug.methods.registry import METHODS, Method
from qdebug.quantize import QParams, Rotated, Scaled, Without, weight_grid
from qdebug.recipes import Gptq, LayerPlan, Recipe, parse_fix, parse_plan, parse_weight_format, with_fix
from qdebug.session import open as open_model
from qdebug.session.kept import Finding, finding, read, write
from tests.networks import Attention, data_for, seeded

W = torch.randn(6, 32, generator=torch.Generator().manual_seed(0))
TEXTS = ("int4", "int8-pc", "int3g16-affine", "nf4g16", "fp4-pc", "fp8_e4m3fn", "mxfp4", "mxint8", "nvfp4")


def same_grid(one, other):
    assert type(one) is type(other)
    for name in one.__dataclass_fields__:
        left, right = getattr(one, name), getattr(other, name)
        assert torch.equal(left, right) if isinstance(left, torch.Tensor) else left == right


@pytest.mark.parametrize("text", TEXTS)
def test_a_rounded_weight_comes_back_as_it_was(tmp_path, text):
    grid = weight_grid(W, parse_weight_format(text))
    transposed = W.t().contiguous().t()
    found = Finding({1: transposed}, {2: W[0]}, {3: Rounded(transposed, grid, Rotated(5), W * 2)}, {})
    write(tmp_path, b"key", found)
    again = read(tmp_path, b"key")
    assert again is not None
    assert torch.equal(again.tensors[1], W) and again.tensors[1].stride() == transposed.stride()
    assert torch.equal(again.biases[2], W[0])
    rounded = again.rounded[3]
    assert torch.equal(rounded.values, W) and torch.equal(rounded.side, W * 2)
    assert rounded.basis == Rotated(5) and rounded.key == found.rounded[3].key
    same_grid(rounded.grid, grid)


def test_a_quantization_comes_back_as_it_was(tmp_path):
    grid = QParams(torch.tensor(0.5), torch.tensor(3.0), 0, 255)
    quant = LayerQuant(parse_plan("w4g32a8"), grid, 1, True, Without((1, 4), 1))
    write(tmp_path, b"key", Finding({}, {}, {}, {7: quant}))
    again = read(tmp_path, b"key").quants[7]
    assert (again.plan, again.axis, again.int32_bias, again.basis) == (quant.plan, 1, True, quant.basis)
    same_grid(again.activation, grid)
    assert again.activation_key == quant.activation_key


def test_only_what_is_new_is_kept():
    before = (NOTHING.updated({1: W}), {5: LayerQuant(LayerPlan())})
    after = (before[0].updated({2: W}, rounded={5: Rounded(W, None)}), dict(before[1]))
    found = finding(before, after)
    assert (set(found.tensors), set(found.rounded), found.quants) == ({2}, {5}, {})
    overlay, quants = found.on(*before)
    assert set(overlay.tensors) == {1, 2} and quants == before[1]


def test_every_format_with_a_grid_can_be_kept(tmp_path):
    for name, form in FORMATS.items():
        plan = parse_weight_format(name)
        grid = weight_grid(W, plan) if not form.is_cast else None
        if grid is not None:
            write(tmp_path, name.encode(), Finding({}, {}, {0: Rounded(W, grid)}, {}))
            same_grid(read(tmp_path, name.encode()).rounded[0].grid, grid)


@pytest.mark.parametrize("damage", [lambda data: data[:-7], lambda data: b"", lambda data: b"x" * len(data)])
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    write(tmp_path, b"key", Finding({1: W}, {}, {}, {}))
    (file,) = (tmp_path / "fixes").iterdir()
    file.write_bytes(damage(file.read_bytes()))
    assert read(tmp_path, b"key") is None
    write(tmp_path, b"key", Finding({1: W}, {}, {}, {}))
    assert read(tmp_path, b"key") is not None


def test_nothing_half_written_is_left_where_the_folder_cannot_be_written(tmp_path):
    (tmp_path / "fixes").write_text("a file in the folder's place")
    write(tmp_path, b"key", Finding({1: W}, {}, {}, {}))
    assert read(tmp_path, b"key") is None
    assert [one.name for one in tmp_path.iterdir()] == ["fixes"]


def outputs(recipe):
    session = open_model(seeded(Attention), data_for(Attention))
    return torch.cat([session.output(recipe, batch) for batch in session.subject.eval_batches])


def test_another_session_does_not_compute_it_again(tmp_path, monkeypatch):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    recipe = Recipe(default=parse_plan("w3a8"), fixes=(Gptq(),))
    first = outputs(recipe)
    (file,) = (tmp_path / "fixes").iterdir()
    content = file.read_bytes()

    def never(bench, fix):
        raise AssertionError("it was kept")

    monkeypatch.setitem(METHODS, Gptq, Method(never, METHODS[Gptq].why_not))
    assert torch.equal(outputs(recipe), first)
    assert file.read_bytes() == content


def test_factors_come_back_to_the_last_bit(tmp_path):
    basis = Scaled((0.1, 3.0, 1 / 3), 1)
    write(tmp_path, b"key", Finding({}, {}, {3: Rounded(W, None, basis)}, {}))
    back = read(tmp_path, b"key")
    assert back is not None and back.rounded[3].basis == basis
    x = torch.randn(2, 3, 5)
    assert torch.allclose(basis.back(basis.into(x)), x) and torch.equal(basis.dual(x), basis.back(x))


@pytest.mark.parametrize("text", ["awq", "smoothquant:search=true"])
def test_factors_that_were_searched_for_are_not_searched_again(tmp_path, monkeypatch, text):
    monkeypatch.setenv("QDEBUG_WORKSPACE", str(tmp_path))
    recipe = with_fix(Recipe(default=parse_plan("w4a8-pc")), parse_fix(text))

    def tensors():
        session = open_model(seeded(Attention), data_for(Attention, 16))
        return session._preparer.overlay(recipe, Work()).tensors

    first = tensors()
    assert first
    for name in ("scale_salient", "AlphaSearch"):
        monkeypatch.setattr(f"qdebug.session.rewriting.{name}", lambda *_: pytest.fail("it searched again"))
    again = tensors()
    assert set(again) == set(first)
    assert all(torch.equal(again[index], first[index]) for index in first)
    (file,) = (tmp_path / "fixes").iterdir()
    file.write_bytes(b"damaged")
    with pytest.raises(pytest.fail.Exception, match="searched again"):
        tensors()

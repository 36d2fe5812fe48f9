"""``qdebug evaluate``: the recipe that options spell, the JSON that others rely on, the text that people read."""

import json

import pytest
from msgspec.structs import replace

from qdebug.cli import evaluate
from qdebug.cli.options import base_recipe, with_layers
from qdebug.cli.program import parse
from qdebug.errors import RecipeError
from qdebug.recipes import (
    AttentionPlan,
    BiasCorrection,
    CrossLayerEqualization,
    LayerPlan,
    SmoothQuant,
    TensorPlan,
    load,
    parse_activation_format,
    parse_cache_format,
    parse_plan,
    parse_probs_format,
    parse_weight_format,
    preset,
    save,
)
from qdebug.results import CacheSize, LayerInfo

ERROR_KEYS = {"format", "sqnr_db", "clipping_mse", "rounding_mse", "clipping_rate"}


def spelled(*words, layers=()):
    options = parse(["evaluate", "m", *words])
    infos = [
        LayerInfo(
            name=name, op="linear", kind=kind, weight_shape=(1, 1), params=1, macs=1, out_channels=1, in_features=1,
            has_bias=False,
        )
        for name, kind in layers
    ]  # fmt: skip
    return with_layers(base_recipe(options), options, infos)


def test_without_options_it_is_w8a8():
    assert spelled() == preset("w8a8")


def test_formats_replace_one_half_of_the_preset():
    recipe = spelled("--preset", "w8a8", "--weight-format", "int4g32")
    assert recipe.default.weight == parse_weight_format("int4g32")
    assert recipe.default.activation == preset("w8a8").default.activation
    assert spelled("--activation-format", "fp32").default.activation == TensorPlan()


def test_attention_has_options_of_its_own(tmp_path):
    recipe = spelled("--kv", "int4", "--kv-values", "int8", "--kv-window", "64", "--attention-probs", "int8")
    assert recipe.default == preset("w8a8").default
    assert recipe.attention == AttentionPlan(
        parse_cache_format("int4", "keys"), parse_cache_format("int8", "values"), 64, probs=parse_probs_format("int8")
    )
    save(recipe, tmp_path / "r.yaml")
    changed = spelled("--recipe", str(tmp_path / "r.yaml"), "--kv-keys", "fp32", "--kv-window", "0")
    assert changed.attention == replace(recipe.attention, keys=TensorPlan(), window=0)
    assert spelled().attention == AttentionPlan()
    for wrong in (("--kv-window", "8"), ("--kv", "int4", "--kv-window", "33"), ("--attention-scores", "int8-tok")):
        with pytest.raises(RecipeError, match="attention"):
            spelled(*wrong)


def test_bytes_of_a_token_are_told():
    size = CacheSize(fp16_bytes=2560.0, quantized_bytes=720.0, bits_per_value=4.5, window=1)
    ((name, text),) = evaluate._cache(size)
    plain = text.replace("\u00a0", " ").replace("\u202f", " ")
    assert (name, plain) == (
        "KV cache", "2.56 kB a token in fp16, 720 B quantized (3.6× smaller), 4.50 bits per value; newest 1 token float"
    )  # fmt: skip
    assert evaluate._cache(None) == []


def test_set_takes_patterns_and_the_later_one_wins():
    layers = [("blocks.0", "conv"), ("blocks.1", "conv"), ("head", "matmul"), ("tokens", "embedding")]
    recipe = spelled("--set", "blocks.*=w4a16", "--set", "blocks.1=w2a8", "--set", "t*=w4a8", layers=layers)
    assert recipe.plan_for("blocks.0") == parse_plan("w4a16")
    assert recipe.plan_for("blocks.1") == parse_plan("w2a8")
    assert recipe.plan_for("head") == parse_plan("w8a8")
    assert recipe.plan_for("tokens", "embedding").weight == TensorPlan("int4")
    assert recipe.plan_for("tokens", "embedding").activation == TensorPlan()


def test_embeddings_have_an_option_of_their_own_and_set_goes_before_it():
    layers = [("head", "matmul"), ("tokens", "embedding"), ("places", "embedding")]
    recipe = spelled("--preset", "w8a8", "--embeddings", "int8", "--set", "places=nf4", layers=layers)
    assert recipe.plan_for("tokens", "embedding") == LayerPlan(TensorPlan("int8", "channel"))
    assert recipe.plan_for("places", "embedding").weight == parse_weight_format("nf4")
    assert recipe.plan_for("head") == parse_plan("w8a8")
    with pytest.raises(RecipeError, match="no embedding"):
        spelled("--embeddings", "int8", layers=[("head", "matmul")])


@pytest.mark.parametrize(
    ("text", "weight", "activation"),
    [
        ("int8", TensorPlan("int8"), preset("w4a8").default.activation),
        ("nf4/fp16", parse_weight_format("nf4"), TensorPlan("fp16")),
        ("nf4 / int8-tok", parse_weight_format("nf4"), parse_activation_format("int8-tok")),
        ("int4g32-dq", parse_weight_format("int4g32-dq"), preset("w4a8").default.activation),
        ("w4a16", TensorPlan("int4"), TensorPlan("fp16")),
        ("w3g32a8-pc", None, None),
    ],
)
def test_a_layer_s_plan_is_a_weight_format_or_both_or_a_short_name(text, weight, activation):
    wanted = parse_plan(text) if weight is None else LayerPlan(weight, activation)
    recipe = spelled("--preset", "w4a8", "--set", f"head={text}", layers=[("head", "matmul"), ("stem", "conv")])
    assert recipe.plan_for("head") == wanted
    assert recipe.plan_for("stem") == parse_plan("w4a8")


def test_an_embedding_takes_the_weight_of_both():
    recipe = spelled("--set", "*=nf4/fp16", layers=[("tokens", "embedding")])
    assert recipe.plan_for("tokens", "embedding") == LayerPlan(parse_weight_format("nf4"), TensorPlan())


@pytest.mark.parametrize("method", ["mse", "percentile", "moving-average"])
@pytest.mark.parametrize(
    ("weight", "activation"),
    [
        ("nvfp4", "mxfp4"), ("q4_k", "bf16"), ("kmeans4-pc", "int8-tok"), ("ternary-pc", "fp8_e4m3fn-tok"),
        ("int4b4x4", "int8-dyn"), ("vq2_16", "fp16"),
    ],
)  # fmt: skip
def test_formats_that_choose_no_range_are_left_alone(method, weight, activation):
    default = spelled("--range", method, "--weight-format", weight, "--activation-format", activation).default
    assert default == LayerPlan(parse_weight_format(weight), parse_activation_format(activation))


def test_a_range_reaches_those_that_can_have_it():
    words = ("--weight-format", "fp8_e4m3fn-pc", "--activation-format", "int8")
    found = spelled("--range", "percentile", *words).default
    assert (found.weight.range, found.activation.range) == ("percentile", "percentile")
    found = spelled("--range", "mse", *words).default
    assert (found.weight.range, found.activation.range) == ("minmax", "mse")
    layer = spelled("--range", "mse", "--set", "head=mxfp4/int8", layers=[("head", "matmul")]).plan_for("head")
    assert (layer.weight, layer.activation.range) == (parse_weight_format("mxfp4"), "mse")


def test_fixes_come_in_the_order_they_were_named():
    recipe = spelled("--fix", "smoothquant:alpha=0.6,cle,bias-correction")
    assert recipe.fixes == (SmoothQuant(0.6), CrossLayerEqualization(), BiasCorrection())


def test_a_recipe_file_is_the_base_of_the_other_options(tmp_path):
    path = tmp_path / "r.yaml"
    save(spelled("--preset", "w4a8", "--fix", "smoothquant:alpha=0.2,cle"), path)
    recipe = spelled("--recipe", str(path), "--activation-format", "fp16", "--fix", "smoothquant:alpha=0.9")
    assert recipe.default.weight == TensorPlan("int4")
    assert recipe.default.activation == TensorPlan("fp16")
    assert recipe.fixes == (CrossLayerEqualization(), SmoothQuant(0.9))


def test_range_methods():
    recipe = spelled("--preset", "w8a8-pc", "--range", "mse", "--set", "head=w4a16", layers=[("head", "matmul")])
    assert (recipe.default.weight.range, recipe.default.activation.range) == ("mse", "mse")
    assert recipe.plan_for("head").weight.range == "mse"
    assert recipe.plan_for("head").activation == TensorPlan("fp16")
    moving = spelled("--range", "moving-average").default
    assert (moving.weight.range, moving.activation.range) == ("minmax", "moving_average")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--preset", "w8a9"], "2-8, 16 or 32"),
        (["--preset", "int8"], "w8a8-pc"),
        (["--weight-format", "int4g23x"], "int4"),
        (["--weight-format", "itn4"], "int4"),
        (["--activation-format", "int8-pc"], "tok"),
        (["--fix", "cel"], "cle"),
        (["--fix", "cle,cle"], "Leave one of them out"),
        (["--fix", "smoothquant:alfa=0.5"], "alpha"),
        (["--fix", ""], "cle"),
        (["--range", "percentil"], "percentile"),
        (["--set", "blocks"], "GLOB=PLAN"),
        (["--set", "blocks.*=w9"], "w8a8"),
        (["--set", "head=nf4/nf4"], "for weights"),
        (["--set", "head=/int8"], "Unknown number format"),
        (["--set", "head=int8/"], "Unknown number format"),
        (["--recipe", "nowhere.yaml"], "Check the path"),
        (["--recipe", "a", "--preset", "w8a8"], "not allowed with"),
        (["--prest", "w8a8"], "--preset"),
        (["extra"], "does not take 'extra'"),
    ],
)
def test_mistakes_are_told_before_anything_is_opened(cli, words, near):
    status, out, err = cli("evaluate", "no-such-model", *words)
    assert (status, out) == (2, "")
    assert near in err
    assert err.startswith("qdebug: ")
    assert err.count("\n") == 1


def test_json_holds_the_promised_keys(cli, toy):
    status, out, err = cli("evaluate", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w4a8", "--json")
    assert status == 0, err
    found = json.loads(out)
    assert {"model", "digest", "n", "metric", "size", "layers", "seconds"} <= found.keys()
    assert {"name", "float", "quantized", "delta", "ci95", "flips"} <= found["metric"].keys()
    assert {"float_bytes", "quantized_bytes", "bits_per_weight"} <= found["size"].keys()
    assert [layer["name"] for layer in found["layers"]] == ["stem", "body", "head"]
    for layer in found["layers"]:
        assert layer["weight"].keys() >= ERROR_KEYS
        assert layer["activation"].keys() >= ERROR_KEYS
        assert {"sqnr_db", "mean_shift"} <= layer["output"].keys()
    metric = found["metric"]
    assert (metric["name"], metric["float"], found["n"]) == ("accuracy", 1.0, 300)
    assert metric["delta"] == pytest.approx(metric["quantized"] - metric["float"])
    assert metric["ci95"][0] <= metric["delta"] <= metric["ci95"][1]
    assert metric["flips"] > 0


def test_the_text_says_the_finding_first_and_where_ranges_come_from(cli, toy):
    status, out, err = cli("evaluate", toy / "toy.pt2", "--data", toy / "toy.npz", "--preset", "w3a8")
    assert status == 0, err
    first, rest = out.split("\n\n")[0], out.splitlines()
    assert first.startswith("toy.pt2: ")
    assert any(name in first for name in ("stem", "body", "head"))
    assert "first 256 samples of the evaluation data" in out
    assert "\x1b" not in out
    start = next(index for index, line in enumerate(rest) if line.startswith("layer"))
    rows = rest[start:]
    assert [row.split()[0] for row in rows[2:5]] == ["stem", "body", "head"]
    assert len({len(row) for row in rows[1:5]}) == 1, "the columns do not align"
    assert max(map(len, out.splitlines())) <= 120


def test_set_and_save_and_use_again(cli, toy, tmp_path):
    model = (toy / "toy.pt2", "--data", toy / "toy.npz", "--json")
    path = tmp_path / "mine.yaml"
    status, out, err = cli("evaluate", *model, "--set", "*o*=w4a8", "--fix", "cle", "--save-recipe", path)
    assert status == 0, err
    first = json.loads(out)
    saved = load(path)
    assert saved.model == first["digest"]
    assert [name for name, _ in saved.layers] == ["body"]
    again = json.loads(cli("evaluate", *model, "--recipe", path)[1])
    assert again["metric"] == first["metric"]
    assert again["layers"] == first["layers"]
    path.write_text(path.read_text().replace(saved.model, "f" * len(saved.model)))
    status, out, err = cli("evaluate", *model, "--recipe", path)
    assert (status, out) == (2, "")
    assert "another model" in err


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["--set", "bdy=w4a8"], "body"),
        (["--calib", "nowhere.npz"], "nowhere.npz"),
        (["--save-recipe", "/no/such/folder/r.yaml"], "Choose another place"),
    ],
)
def test_mistakes_that_need_the_model(cli, toy, words, near):
    status, out, err = cli("evaluate", toy / "toy.pt2", "--data", toy / "toy.npz", *words)
    assert (status, out) == (2, "")
    assert near in err
    assert err.count("\n") <= 2


def test_a_sample_that_does_not_exist(cli):
    status, out, err = cli("evaluate", "digits-mobilnet")
    assert (status, out) == (2, "")
    assert "digits-mobilenet" in err


def test_a_fault_of_ours_keeps_its_traceback(cli, monkeypatch):
    def broken(*_):
        raise ZeroDivisionError("we divided")

    monkeypatch.setattr("qdebug.cli.evaluate.opened", broken)
    status, out, err = cli("evaluate", "m", "--json")
    assert (status, out) == (1, "")
    assert "Traceback" in err
    assert "we divided" in err


def test_the_headline(cli):
    """What a new user is told to try: broken at 8 bits, whole again with two fixes."""
    broken = json.loads(cli("evaluate", "digits-mobilenet", "--preset", "w8a8", "--json")[1])["metric"]
    whole = json.loads(
        cli("evaluate", "digits-mobilenet", "--preset", "w8a8", "--fix", "cle,bias-correction", "--json")[1]
    )["metric"]
    assert broken["delta"] <= -0.30
    assert whole["delta"] >= -0.01
    assert broken["float"] == whole["float"]

"""Recipes as files: what is written is read back; what is not understood is refused, with the place and near names."""

import contextlib
import json
import random

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from qdebug.errors import FileError, QDebugError, RecipeError
from qdebug.recipes import Recipe, dumps, load, loads, parse_plan, preset, save, set_layers, to_plain
from qdebug.recipes.serial import LARGEST
from tests.recipes.strategies import recipes

GOOD = """
version: 1
model: 00112233aabbccdd
default:
  weight: {format: int8}
  activation: {format: int8, symmetric: false}
layers:
  head:
    weight: {format: int4, granularity: group, group_size: 32}
    activation: {format: fp16}
fixes:
- method: cle
- {method: smoothquant, alpha: 0.6}
"""


@given(recipe=recipes, kind=st.sampled_from(["yaml", "json"]))
def test_what_is_written_is_read_back(recipe, kind):
    text = dumps(recipe, kind)
    assert loads(text) == recipe
    assert loads(text).digest == recipe.digest


@given(recipe=recipes)
def test_json_is_json_and_both_say_the_same(recipe):
    assert json.loads(dumps(recipe, "json")) == yaml.safe_load(dumps(recipe, "yaml"))


@pytest.mark.parametrize(
    "name", ["0", "010", "1e5", "-1.5E+3", "null", "yes", "~", "1:30", "<<", "=", "a: b", "é", "\x00"]
)
@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_a_name_that_looks_like_something_else_stays_a_name(name, kind):
    recipe = set_layers(Recipe(), {name: parse_plan("w4a8")})
    assert loads(dumps(recipe, kind)) == recipe


def test_numbers_as_people_write_them():
    recipe = loads("default: {weight: {format: int8, clip: [-1e-3, 2.5E2]}}\nlayers: {3: {weight: {format: int4}}}")
    assert recipe.default.weight.clip == (-1e-3, 250.0)
    assert recipe.plan_for("3").weight.format == "int4"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("layers: {a: {}, a: {}}", "the key 'a' stands twice, line 1"),
        ('{"layers": {"a": {}, "a": {}}}', "the key 'a' stands twice"),
        ("layers: {3: {}, '3': {}}", "The layer '3' stands twice"),
        ("layers: {yes: {}}", "True is no layer name"),
        ("version: true", "Recipe version True"),
        ("version: 0x1" + 16 * "0", "a whole number of more than 64 bits"),
        ('{"version": ' + 21 * "9" + "}", "a whole number of more than 64 bits"),
        ("version: 1.0", "Recipe version 1.0"),
    ],
)
def test_what_would_be_lost_in_silence_is_refused(text, what):
    with pytest.raises(RecipeError) as caught:
        loads(text)
    assert what in caught.value.what


def test_a_file_written_by_hand():
    recipe = loads(GOOD)
    assert recipe.plan_for("head").weight.label == "int4 g32"
    assert recipe.plan_for("elsewhere") == parse_plan("w8a8")
    assert [str(fix.__struct_config__.tag) for fix in recipe.fixes] == ["cle", "smoothquant"]


@pytest.mark.parametrize(
    ("old", "new", "what", "do"),
    [
        ("layers:", "layer:", "Unknown key 'layer' in the recipe", "layers"),
        ("symmetric:", "symetric:", "Unknown key 'symetric' in default.activation", "symmetric"),
        ("group_size:", "groupsize:", "Unknown key 'groupsize' in head.weight", "group_size"),
        (
            "    activation: {format: fp16}",
            "    activations: {format: fp16}",
            "Unknown key 'activations' in head",
            "activation",
        ),
        ("format: fp16", "format: fp61", "Unknown number format 'fp61'", "fp16"),
        ("method: cle", "method: cel", "Unknown fix 'cel'", "cle"),
        ("alpha:", "alhpa:", "Unknown key 'alhpa' in fix 'smoothquant'", "alpha"),
        ("alpha: 0.6", "alpha: much", "Wrong value in fix 'smoothquant'", "docs/recipes.md"),
        ("group_size: 32", "group_size: many", "Wrong value in head.weight", "docs/recipes.md"),
        ("group_size: 32", "group_size: 0", "head.weight: granularity 'group' without a group_size", "32"),
        ("version: 1", "version: 2", "Recipe version 2 is not known here", "Update"),
        ("version: 1", "version: '1'", "Recipe version '1' is not known here", "Update"),
        ("model: 00112233aabbccdd", "model: 12", "'model' must be a digest in quotes", "Leave it out"),
        (
            "fixes:\n- method: cle\n- {method: smoothquant, alpha: 0.6}",
            "fixes: cle",
            "'fixes' must be a list",
            "- method",
        ),
        ("format: fp16", "format: int4, granularity: channel", "cannot have one scale per channel", "token"),
        ("{format: int8}", "{format: int8, dynamic: true}", "no dynamic range", "channel"),
        ("{format: int8}", "{format: int8, clip: [1.0, 2.0]}", "leaves out zero", "include it"),
        ("{format: int8}", "{format: int8, clip: [2.0, -2.0]}", "empty or not finite", "smaller first"),
        ("{format: int8}", "{format: int8, clip: [.nan, 2.0]}", "empty or not finite", "smaller first"),
        ("{format: int8}", "{format: bf16, clip: [-1.0, 2.0]}", "a clip range on bf16", "integer"),
        ("{format: int8}", "{format: int8, percentile: 12.0}", "percentile 12.0", "99.99"),
        ("{format: int8}", "{format: int8, granularity: group, group_size: 32, range: entropy}", "too few", "octav"),
        ("{format: int8}", "int8", "default.weight must be a mapping", "docs/recipes.md"),
    ],
)
def test_what_is_not_understood_is_refused(old, new, what, do):
    assert old in GOOD
    with pytest.raises(RecipeError) as caught:
        loads(GOOD.replace(old, new, 1), file="r.yaml")
    assert what in caught.value.what
    assert do in caught.value.do


@pytest.mark.parametrize(
    "text",
    ["", "[]", "word", "a: [", "{", "!!python/object:os.system {}", "a: &x [*x]", "\t", "--- 1\n--- 2", "? {}: 1"],
)
def test_what_is_no_recipe_at_all(text):
    with pytest.raises(RecipeError):
        loads(text)


@given(text=st.text(max_size=200))
def test_any_text_is_a_recipe_or_an_error(text):
    try:
        assert isinstance(loads(text), Recipe)
    except QDebugError as error:
        assert "\n" not in error.what


@pytest.mark.parametrize("seed", range(200))
def test_a_damaged_file_is_a_recipe_or_an_error(seed):
    draw = random.Random(seed)
    text = list(GOOD)
    for _ in range(draw.randint(1, 8)):
        place = draw.randrange(len(text))
        text[place] = draw.choice([chr(draw.randrange(256)), "", text[place] * 2, ":", "&", "*", "\n", "  "])
    with contextlib.suppress(QDebugError):
        assert isinstance(loads("".join(text)), Recipe)


def test_a_bomb_of_aliases_stays_small():
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 30)]
    with pytest.raises(RecipeError):
        loads("\n".join(lines))


def test_a_text_too_large_is_refused_unread():
    with pytest.raises(RecipeError, match="larger than"):
        loads(" " * (LARGEST + 1))


@pytest.mark.parametrize("name", ["r.yaml", "r.json", "r"])
def test_save_and_load(tmp_path, name):
    recipe = set_layers(preset("w8a8-pc"), {"a.b": parse_plan("w4g32a16")})
    save(recipe, tmp_path / name)
    assert load(tmp_path / name) == recipe
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if name == "r.json":
        assert json.loads((tmp_path / name).read_text()) == to_plain(recipe)


def test_files_that_cannot_be_read_or_written(tmp_path):
    with pytest.raises(FileError, match="No such file"):
        load(tmp_path / "none.yaml")
    with pytest.raises(FileError, match="Cannot write"):
        save(preset("w8a8"), tmp_path / "none" / "r.yaml")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not text"):
        load(tmp_path / "binary")


def test_a_save_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "r.yaml"
    save(preset("w8a8"), path)
    monkeypatch.setattr(
        "pathlib.Path.replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.raises(FileError, match="No space left"):
        save(preset("w4a8"), path)
    assert load(path) == preset("w8a8")
    assert [one.name for one in tmp_path.iterdir()] == ["r.yaml"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: &a [1]\nb: &b [*a, *a]\n" + "c: &c [*b, *b]\n", "Unknown key"),
        ("a: &a [1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
            f"k{at}: &k{at} [{', '.join(['*' + ('a' if at == 0 else f'k{at - 1}')] * 8)}]\n" for at in range(12)
        ), "aliases stand for more than"),
        ("a: &a {b: *a}", "holds itself"),
        ("a: " + "x" * 400_000, "JSON may have more"),
        ('{"layers": {"\\ud800": {}}}', "half a character"),
        ('{"fixes": [{"method": {"a": 1}}]}', "Unknown fix"),
        ('{"fixes": [{"method": ["cle"]}]}', "Unknown fix"),
        ('{"layers":' * 100_000, "not YAML or JSON"),
    ],
)  # fmt: skip
def test_texts_that_are_made_to_do_harm(text, words):
    with pytest.raises(RecipeError, match=words) as caught:
        loads(text, file="r.yaml")
    assert len(str(caught.value)) < 10_000


def test_a_recipe_that_is_too_long_for_yaml_is_written_as_json():
    recipe = set_layers(preset("w8a8"), {f"layer.{at}": parse_plan("w4g32a8") for at in range(4500)})
    text = dumps(recipe)
    assert text.startswith("{") and loads(text) == recipe
    assert not dumps(preset("w8a8")).startswith("{")


def test_an_alias_is_what_it_stands_for():
    text = "layers:\n  a: &plan {weight: {format: int4}}\n  b: *plan\n"
    assert loads(text) == loads(text.replace("*plan", "{weight: {format: int4}}").replace("&plan ", ""))

"""Patterns of a stranger's folder: usual ones match as Python has it, those that would hang are refused at once."""

import json
import re
import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qdebug.doors.checkpoints.patterns import LONGEST, matches
from qdebug.doors.checkpoints.schemes import named, scheme_of
from qdebug.errors import ModelError

NAMES = [
    "lm_head", "model.layers.0.mlp.up_proj", "model.layers.17.self_attn.q_proj", "model.embed_tokens",
    "model.layers.60.mlp.experts.255.down_proj", "model.language_model.layers.3.mlp.shared_expert.gate_proj",
    "visual.blocks.1.attn.qkv", "",
]  # fmt: skip
USUAL = [
    r".*", r".*lm_head", r".*lm_head.*", r"model\.layers\.\d+\.mlp\.(gate|up|down)_proj$", r".*\.mlp\.gate$",
    r".*self_attn\.(q|k|v|o)_proj.*", r"^(?!.*(?:lm_head|visual)).*$", r"model\.layers\.(1[0-9]|[2-5]\d)\..*_proj",
    r".*layers\..*\.mlp\..*_proj$", r"(?:model\.)?(?:language_model\.)?layers\.[0-9]{1,2}\.", r"visual.*",
    r".*experts\.\d+\.(?=down)", r".*\.(?:q|k)_proj|.*\.v_proj", r"model.layers.[0-9]+.mlp.experts.[0-9]+.*",
    r"[a-z_.0-9]+?proj",
]  # fmt: skip
HANGING = [
    r"(a+)+$", r"(a*)*b", r"(a|aa)+$", r"(?:a?){40}a{40}$", r".*.*.*.*.*=", r"(.*a){12}$", r"((a{1,9}){1,9}){1,9}b",
    "(ab|a|b)" * 40 + "$", r"(?=(a+)+$)", r"a*" * 30 + "b", r"(a)\1*$", r"(?>a+)+b", r"(?!.*.*.*.*=)x",
    r"(?i).*A.*A.*A.*A.*B", r"(?i:.*A.*A.*A).*A.*B",
]  # fmt: skip
LONG = "a" * 200 + "!"


@pytest.mark.parametrize("pattern", USUAL)
def test_usual_patterns_match_as_they_do_in_python(pattern):
    for name in NAMES:
        assert matches(pattern, name) == (re.match(pattern, name) is not None), name


@pytest.mark.parametrize("pattern", HANGING)
def test_patterns_that_would_hang_are_refused(pattern):
    with pytest.raises(ModelError, match="could take very long"):
        matches(pattern, LONG)


def test_the_refusal_says_where_and_what_to_do():
    with pytest.raises(ModelError) as refused:
        scheme_of(LONG, {"config_groups": {"g": {"targets": ["re:(a+)+$"], "weights": {}}}})
    said = str(refused.value)
    assert "(a+)+$" in said
    assert "config.json" in said
    assert "Write the names out" in said
    with pytest.raises(ModelError, match="characters"):
        named("a", "re:" + "a" * (LONGEST + 1))
    with pytest.raises(ModelError, match="no regular expression"):
        named("a", "re:(")
    json.dumps(said)


ATOMS = st.sampled_from(["a", "b", r"\.", ".", "[ab]", r"\d", "^", "$", "(a)", "(a|b)", "(?:ab|a)", "(?=a)", "(?!b)"])
MANY = st.sampled_from(["", "", "", "*", "+", "?", "{2}", "{1,3}", "*?"])


@given(st.lists(st.tuples(ATOMS, MANY), max_size=6), st.text("ab.1", max_size=12))
def test_what_is_not_refused_is_what_python_says(parts, name):
    pattern = "".join(atom + (many if atom not in "^$" else "") for atom, many in parts)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = matches(pattern, name)
        except ModelError as refused:
            assert "could take very long" in str(refused) or "no regular expression" in str(refused)
            return
    assert found == (re.match(pattern, name) is not None)

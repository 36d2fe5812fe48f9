"""Terms explain themselves where they stand."""

import re

from qdebug.classroom.content import ORDER, folder
from qdebug.figures.glossary import TERMS, explained, list_html, marked


def test_a_term_says_what_it_means_and_leads_to_its_lesson():
    text = explained("SQNR falls where the scale is coarse.")
    assert re.search(r'<a class="q-term" href="lesson-affine"[^>]* title="SQNR: [^"]+">SQNR</a> falls', text)
    assert 'title="scale: ' in text


def test_each_term_is_explained_once_and_not_too_many():
    assert explained("scale, scale and scales").count("q-term") == 1
    assert explained("GPTQ, NF4, SQNR, flips", most=2).count("q-term") == 2


def test_the_longest_term_is_meant_and_parts_of_words_are_none():
    assert 'title="mixed precision: ' in explained("Mixed precision")
    assert "q-term" not in explained("scaled, decodes, codebook, non-affine, SQNRs")


def test_what_is_said_is_escaped():
    text = explained('<img src=x> & "scale"')
    assert "<img" not in text
    assert "&lt;img src=x&gt; &amp; &quot;<a" in text


def test_what_stands_inside_tags_is_left_alone():
    assert marked('<b title="scale">no scale</b>', 1).startswith('<b title="scale">no <a class="q-term"')


def test_every_term_stands_in_the_list_and_its_lesson_is_one():
    listed = list_html()
    assert listed.count("<dt>") == len(TERMS) == len({term.name for term in TERMS})
    known = {path.stem for path in folder().glob("*.md")}
    assert known == set(ORDER)
    assert {term.lesson for term in TERMS} - {""} <= known

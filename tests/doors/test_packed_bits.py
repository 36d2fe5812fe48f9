"""Codes of a few bits in words of 32."""

import numpy as np
import pytest
import torch

from qdebug.doors.checkpoints import bits as layout
from tests.doors import packed_by_hand as hand


def test_three_bits_cross_from_word_to_word():
    # the eleventh code, 0b110, has its lowest two bits at the top of the first word and its highest in the second
    values = [0] * 10 + [0b110, 0b101]
    assert hand.stream(values, 3).tolist() == [-(1 << 31), 0b1011]
    assert layout.packed(torch.tensor([values]), 3).tolist() == [[-(1 << 31), 0b1011]]


@pytest.mark.parametrize("bits", range(1, 9))
@pytest.mark.parametrize("count", [1, 31, 32, 33, 100])
def test_words_are_one_stream_of_bits(bits, count):
    values = hand.rng(bits).integers(0, 1 << bits, (3, count))
    words = hand.rows_of(values, bits)
    assert words.shape[1] == layout.words_for(count, bits)
    assert torch.equal(layout.packed(torch.from_numpy(values), bits), words)
    assert torch.equal(layout.unpacked(words, bits, count), torch.from_numpy(values).to(torch.uint8))


def test_words_with_empty_high_bits():
    values = hand.rng().integers(0, 8, (2, 23))
    padded = np.zeros((2, 30), np.int64)
    padded[:, :23] = values
    words = (padded.reshape(2, 3, 10) << 3 * np.arange(10)).sum(-1)
    assert layout.words_for(23, 3, dense=False) == 3
    found = layout.unpacked(torch.from_numpy(words).int(), 3, 23, dense=False)
    assert torch.equal(found, torch.from_numpy(values).to(torch.uint8))


def test_the_order_of_awq():
    word = torch.tensor([[0, 2, 4, 6, 1, 3, 5, 7]])
    assert layout.reordered(torch.arange(8).view(1, 8)).tolist() == word.tolist()
    assert layout.in_order(word).tolist() == [list(range(8))]


def test_two_codes_a_byte():
    stored = torch.tensor([[0x21, 0xF0]], dtype=torch.uint8)
    assert layout.nibbles(stored).tolist() == [[1, 2, 0, 15]]
    assert layout.nibbles(stored, high_first=True).tolist() == [[2, 1, 15, 0]]
    assert torch.equal(layout.in_bytes(layout.nibbles(stored)), stored)

"""A matrix in blocks, held against loops over every value."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qdebug.measure.cells import (
    block_of,
    fewest_for,
    packed,
    packed_counts,
    reduced,
    squared_by_line,
    worst_of,
)


def slowly(x, block, cell):
    height, width = block
    rows = []
    for top in range(0, x.shape[0], height):
        row = []
        for left in range(0, x.shape[1], width):
            values = [float(v) if np.isfinite(v) else 0.0 for v in x[top : top + height, left : left + width].ravel()]
            largest = max(values, key=lambda value: (abs(value), value))
            row.append(largest if cell == "largest" else sum(values) / len(values))
        rows.append(row)
    return np.array(rows, np.float32)


@given(rows=st.integers(1, 9), columns=st.integers(1, 11), height=st.integers(1, 4), width=st.integers(1, 5),
       cell=st.sampled_from(["largest", "mean"]), seed=st.integers(0, 99))  # fmt: skip
def test_each_block_is_its_largest_value_or_its_mean(rows, columns, height, width, cell, seed):
    x = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))
    found = reduced(x, (height, width), cell)
    assert found == pytest.approx(slowly(x.numpy(), (height, width), cell), abs=1e-6)


def test_an_outlier_is_seen_in_its_block_and_lost_in_the_mean():
    x = torch.zeros(512, 512)
    x[17, 300] = -9.0
    assert block_of(512, 512) == (4, 3)
    assert reduced(x, (4, 3), "largest")[4, 100] == -9.0
    assert reduced(x, (4, 3), "mean")[4, 100] == -0.75


def test_what_is_no_number_counts_as_zero():
    x = torch.tensor([[float("nan"), 2.0, float("-inf"), -1.0]])
    assert reduced(x, (1, 2), "largest").tolist() == [[2.0, -1.0]]
    assert reduced(x, (1, 2), "mean").tolist() == [[1.0, -0.5]]
    assert squared_by_line(x)[0].tolist() == [5.0]


@pytest.mark.parametrize("shape", [(1, 1), (128, 192), (129, 193), (30522, 384), (9, 4096), (4096, 9)])
def test_there_are_never_more_cells_than_a_picture_has_room_for(shape):
    height, width = block_of(*shape)
    assert -(-shape[0] // height) <= 128
    assert -(-shape[1] // width) <= 192
    assert (height == 1) == (shape[0] <= 128)
    assert (width == 1) == (shape[1] <= 192)


def test_packed_numbers_come_back_within_half_a_code():
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    found = packed(x)
    assert len(found.codes) == 2 * x.size
    assert found.values.shape == x.shape
    assert np.abs(found.values - x).max() <= np.abs(x).max() / 65534 * 1.001
    assert packed(np.zeros((2, 3), np.float32)).values.tolist() == [[0.0] * 3] * 2
    counts = np.array([[0, 2**24 - 1], [5, 1]])
    assert packed_counts(counts).values.tolist() == counts.tolist()


def test_squares_are_summed_by_row_and_by_column():
    x = torch.randn(37, 11)
    by_row, by_column = squared_by_line(x)
    whole = x.double().numpy()
    assert by_row == pytest.approx([sum(v * v for v in row) for row in whole])
    assert by_column == pytest.approx([sum(v * v for v in column) for column in whole.T])


def test_how_few_parts_hold_half():
    assert fewest_for(np.array([1.0, 1.0, 1.0, 1.0])) == 2
    assert fewest_for(np.array([1.0, 5.0, 1.0, 1.0])) == 1
    assert fewest_for(np.zeros(3)) == 0
    assert worst_of(np.array([1.0, 5.0, 2.0])) == (1, 0.625)
    assert worst_of(np.zeros(3)) == (0, 0.0)

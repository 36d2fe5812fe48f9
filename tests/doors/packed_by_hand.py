"""Checkpoint tensors written one code at a time from each format's description, and read so again: slow and plain."""

import numpy as np
import torch

AWQ = (0, 2, 4, 6, 1, 3, 5, 7)


def rng(seed=0):
    return np.random.default_rng(seed)


def codes(rows, columns, bits, seed=0):
    """Unsigned codes ``[rows, columns]``, of which the first row begins with the smallest and the largest."""
    drawn = rng(seed).integers(0, 1 << bits, (rows, columns))
    drawn[0, :2] = 0, (1 << bits) - 1
    return drawn


def scales(rows, columns, dtype=torch.float16, seed=1):
    drawn = torch.from_numpy(rng(seed).uniform(0.001, 0.1, (rows, columns)))
    return drawn.to(dtype)


def stream(values, bits):
    """Python integers as one stream of bits in int32 words."""
    whole = 0
    for place, value in enumerate(values):
        assert 0 <= value < 1 << bits
        whole |= int(value) << (place * bits)
    words = -(-len(values) * bits // 32)
    return np.array([whole >> 32 * word & 0xFFFFFFFF for word in range(words)], np.uint32).view(np.int32)


def rows_of(values, bits):
    """Each row as a stream: int32 ``[rows, words]``."""
    return torch.from_numpy(np.stack([stream(row, bits) for row in values]))


def nibble_words(values, order=tuple(range(8))):
    """Rows of 4-bit codes, eight to a word in an order."""
    out = np.zeros((len(values), values.shape[1] // 8), np.uint32)
    for row, column in np.ndindex(out.shape):
        for nibble, place in enumerate(order):
            out[row, column] |= np.uint32(int(values[row, 8 * column + place]) << 4 * nibble)
    return torch.from_numpy(out.view(np.int32))


def gptq(weight, zeros, scale, bits, *, version=1, order=None):
    """Codes ``[out, in]``, zero points and scales ``[out, groups]`` as AutoGPTQ lays them."""
    stored = (zeros - 1) % (1 << bits) if version == 1 else zeros
    group = -(-weight.shape[1] // zeros.shape[1])
    index = np.arange(weight.shape[1]) // group if order is None else order
    return {
        "qweight": rows_of(weight, bits).T.contiguous(),
        "qzeros": rows_of(stored.T, bits),
        "scales": scale.T.contiguous(),
        "g_idx": torch.from_numpy(np.asarray(index, np.int32)),
    }


def awq(weight, zeros, scale):
    """Codes ``[out, in]``, zero points and scales ``[out, groups]`` as AutoAWQ's GEMM lays them."""
    return {
        "qweight": nibble_words(weight.T, AWQ), "qzeros": nibble_words(zeros.T, AWQ), "scales": scale.T.contiguous(),
    }  # fmt: skip


def affine(weight, zeros, scale, index):
    """``(code − zero) · scale`` in float64, value by value: what a decoder must find."""
    out = np.empty(weight.shape)
    steps = scale.double().numpy()
    for row, column in np.ndindex(weight.shape):
        group = index[column]
        out[row, column] = (int(weight[row, column]) - int(zeros[row, group])) * steps[row, group]
    return torch.from_numpy(out).float()


def named(module, parts):
    return {f"{module}.{name}": tensor for name, tensor in parts.items()}

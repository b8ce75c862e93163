"""The random numbers of training: functions of a seed and of what they are for.

Nothing is drawn from a stream, so there is no state to keep: any epoch's order and any step's
masks follow from the seed and their numbers. `src/core/random.hpp` is the same in C++; every
engine visits the samples in the same order and drops the same outputs.
"""

from __future__ import annotations

import numpy as np

from chainrule import _core
from chainrule.numerics import Array

_BITS = 2**64 - 1
_GOLDEN = 0x9E3779B97F4A7C15


def _mix64(z: int) -> int:
    """Return the output function of SplitMix64 (Steele, Lea and Flood 2014, OOPSLA, fig. 17)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & _BITS
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & _BITS
    return z ^ (z >> 31)


def random64(key: int, i: int) -> int:
    """Return number i of the SplitMix64 sequence that starts at this key."""
    return _mix64(key + (i + 1) * _GOLDEN & _BITS)


def key_of(*names: int) -> int:
    """Return a key for what these numbers name, such as a seed and an epoch."""
    key = 0
    for name in names:
        key = random64(key ^ name, 0)
    return key


def shuffled(n: int, seed: int, epoch: int) -> Array:
    """Return the order in which epoch `epoch` (from 0) visits n samples.

    The shuffle of Fisher and Yates, from the last place to the first: place i is exchanged
    with place ``random64(key_of(seed, epoch), i) * (i + 1) >> 64``. Compiled, because a loop of
    Python over millions of samples takes seconds.

    Examples
    --------
    >>> shuffled(5, seed=0, epoch=0).tolist() == shuffled(5, seed=0, epoch=0).tolist()
    True
    """
    order = np.empty(n, np.int64)
    _core.shuffle(order, seed, epoch)
    return order


def kept(shape: tuple[int, int], probability: float, seed: int, place: tuple[int, ...]) -> Array:
    """Return which outputs of a layer survive dropout in one step.

    Parameters
    ----------
    shape : (n, n_L)
        Samples of the batch and units of the layer.
    probability : float
        That an output is dropped.
    seed : int
        Of the run.
    place : (e, t, L)
        The epoch from 0, the step from 1 over all epochs, and the hidden layer from 1.

    Returns
    -------
    array of bool of that shape
        An output is dropped if its 32 random bits, as a number, are below probability * 2^32.
    """
    key = key_of(seed ^ _BITS, *place)
    i = np.arange(shape[0] * shape[1], dtype=np.uint32).reshape(shape)
    x: Array = i * np.uint32(0x9E3779B9) + np.uint32(key & 0xFFFFFFFF)
    x = (x ^ (x >> 16)) * np.uint32(0x21F0AAAD)
    x ^= np.uint32(key >> 32)
    x = (x ^ (x >> 15)) * np.uint32(0x735A2D97)
    x ^= x >> 15
    return x >= np.uint32(int(probability * 2**32))

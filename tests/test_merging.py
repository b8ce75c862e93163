"""Several networks as one."""

from __future__ import annotations

import numpy as np
import pytest

import chainrule as cr
from chainrule.errors import InputError
from chainrule.merging import merged, separated

X = np.random.default_rng(0).normal(size=(50, 3))


@pytest.mark.parametrize("hidden", [[], [8], [8, 5, 4]])
@pytest.mark.parametrize("bias", [True, False])
def test_numbers_are_averaged(hidden: list[int], bias: bool) -> None:
    nets = [
        cr.Network([3, *hidden, 2], "tanh", bias=bias, dtype="float64", seed=i) for i in range(3)
    ]
    mean = np.mean([net.predict(X) for net in nets], axis=0)
    np.testing.assert_allclose(merged(nets).predict(X), mean, rtol=1e-12)


def test_probabilities_are_their_geometric_mean() -> None:
    nets = [cr.Network([3, 8, 4], output_activation="softmax", loss="cross_entropy",
                       dtype="float64", seed=i) for i in range(5)]  # fmt: skip
    product = np.exp(np.mean([np.log(net.predict(X)) for net in nets], axis=0))
    expected = product / product.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(merged(nets).predict(X), expected, rtol=1e-10)


def test_what_was_merged_comes_apart_again() -> None:
    nets = [cr.Network([3, 8, 5, 1], "relu", dtype="float64", seed=i) for i in range(4)]
    for net in nets:
        net.biases[2] = np.array([1.5])
    for net, part in zip(nets, separated(merged(nets), 4), strict=True):
        np.testing.assert_allclose(part.predict(X), net.predict(X), rtol=1e-12)


def test_one_network_stays_itself_and_others_do_not_fit() -> None:
    net = cr.Network([3, 8, 1])
    assert merged([net]) is net
    with pytest.raises(InputError, match="same architecture"):
        merged([net, cr.Network([3, 9, 1])])
    with pytest.raises(InputError, match="not made of 3"):
        separated(net, 3)

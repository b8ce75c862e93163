"""Several networks as one that computes their mean, so that whatever takes one takes them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from scipy.linalg import block_diag

from chainrule.errors import InputError
from chainrule.network import Network
from chainrule.numerics import Array


def merged(networks: Sequence[Network]) -> Network:
    """Return one network that averages several of the same layers before the output activation.

    Their hidden layers stand side by side, and the output layer adds up what each would have
    given, divided by their number. For identity outputs that is the mean of the predictions; for
    softmax, sigmoid and exponential outputs the geometric mean of the probabilities or numbers,
    which for probabilities is then normalised (Genest and Zidek 1986, Statistical Science 1,
    114-135, the logarithmic opinion pool).

    Parameters
    ----------
    networks : sequence of Network
        Of one architecture.

    Returns
    -------
    Network
        One alone is returned as it is. Of K networks every hidden layer is K times as wide, and
        the weights between two hidden layers are zero but for K blocks.

    Raises
    ------
    InputError
        If there is none, or their architectures differ.

    Examples
    --------
    >>> import chainrule as cr
    >>> nets = [cr.Network([3, 8, 1], dtype="float64", seed=seed) for seed in range(4)]
    >>> X = np.eye(3)
    >>> mean = sum(net.predict(X) for net in nets) / 4
    >>> bool(np.allclose(merged(nets).predict(X), mean)), merged(nets).layer_sizes
    (True, (3, 32, 1))
    """
    if not networks or any(n.architecture != networks[0].architecture for n in networks):
        raise InputError("merged takes one or more networks of the same architecture")
    first = networks[0]
    if len(networks) == 1:
        return first
    sizes = first.layer_sizes
    hidden = [len(networks) * size for size in sizes[1:-1]]
    architecture = replace(first.architecture, layer_sizes=(sizes[0], *hidden, sizes[-1]))
    net = Network.of(
        architecture,
        np.empty(architecture.n_parameters, architecture.dtype),
        {"feature_names": first.feature_names, "seed": first.seed},
    )
    last = len(sizes) - 2
    for layer, own in enumerate(zip(*(n.weights for n in networks), strict=True)):
        net.weights[layer][...] = _side_by_side(own, layer, last)
    for layer, biases in enumerate(zip(*(n.biases for n in networks), strict=True)):
        if biases[0] is not None:
            net.biases[layer][...] = (
                np.mean(biases, axis=0) if layer == last else np.concatenate(biases)
            )
    return net


def separated(net: Network, n: int) -> list[Network]:
    """Return the networks that `merged` put together.

    Parameters
    ----------
    net : Network
        From `merged`.
    n : int
        How many they were.

    Returns
    -------
    list of Network
        With the bits that they had, but for those of the output weights, which were divided by n,
        and for the output biases, of which only the mean is known.

    Examples
    --------
    >>> import chainrule as cr
    >>> nets = [cr.Network([3, 8, 1], seed=seed) for seed in range(4)]
    >>> [part.layer_sizes for part in separated(merged(nets), 4)] == [(3, 8, 1)] * 4
    True
    """
    if n == 1:
        return [net]
    sizes = net.layer_sizes
    if len(sizes) == 2 or any(size % n for size in sizes[1:-1]):
        raise InputError(f"a network of the layers {sizes} is not made of {n}")
    hidden = [size // n for size in sizes[1:-1]]
    architecture = replace(net.architecture, layer_sizes=(sizes[0], *hidden, sizes[-1]))
    last = len(sizes) - 2
    parts = []
    for i in range(n):
        part = Network.of(architecture, np.empty(architecture.n_parameters, architecture.dtype))
        for layer in range(last + 1):
            rows = slice(None) if layer == last else _block(i, architecture.layer_sizes[layer + 1])
            columns = slice(None) if layer == 0 else _block(i, architecture.layer_sizes[layer])
            share = n if layer == last else 1
            part.weights[layer][...] = net.weights[layer][rows, columns] * share
            if (bias := net.biases[layer]) is not None:
                part.biases[layer][...] = bias[rows]
        parts.append(part)
    return parts


def _block(i: int, size: int) -> slice:
    return slice(i * size, (i + 1) * size)


def _side_by_side(own: Sequence[Array], layer: int, last: int) -> Array:
    if layer == last:
        return np.mean(own, axis=0) if layer == 0 else np.hstack(own) / len(own)
    return np.vstack(own) if layer == 0 else block_diag(*own)

"""The weights that scikit-learn's perceptrons start from."""

from __future__ import annotations

import math

import numpy as np

from chainrule.architecture import Architecture
from chainrule.numerics import Array


def initial_parameters(architecture: Architecture, random: np.random.RandomState) -> Array:
    """Return uniform weights and biases within +-sqrt(6 / (n_in + n_out)), as scikit-learn's.

    Glorot and Bengio 2010, AISTATS, equation 16, for the biases too, and with 2 in place of 6
    where the hidden layers are sigmoids (section 4.2.1 there). The numbers are those that
    scikit-learn draws from the same generator.

    Parameters
    ----------
    architecture : Architecture
        Of the network.
    random : RandomState
        Moves on.

    Returns
    -------
    array of shape (n_parameters,), of the architecture's dtype
    """
    parameters = np.empty(architecture.n_parameters, architecture.dtype)
    weights, biases = architecture.views(parameters)
    hidden = [activation.name for activation in architecture.activations[:-1]]
    deciding = [*hidden, hidden[-1] if hidden else ""]  # the outputs follow the layer before
    for W, b, name in zip(weights, biases, deciding, strict=True):
        n_out, n_in = W.shape
        bound = math.sqrt((2 if name == "sigmoid" else 6) / (n_in + n_out))
        W[...] = random.uniform(-bound, bound, (n_in, n_out)).T
        if b is not None:
            b[...] = random.uniform(-bound, bound, n_out)
    return parameters

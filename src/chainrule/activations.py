"""Activations: each function beside its derivative and its second derivative.

An activation is ``sigma`` with ``sigma_prime`` and ``sigma_double_prime``; all act on every
element of an array by itself and keep its shape and dtype. Softmax, the one exception, says so.
Minima and maxima are used where a selection would do, because they let a NaN through.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from chainrule import numerics
from chainrule.errors import InputError, require_choice
from chainrule.naming import Named, parameter_of
from chainrule.numerics import EVERYWHERE, POSITIVE, Array, Interval

ArrayFunction = Callable[[Array], Array]

# Parameters of selu (Klambauer et al. 2017, arXiv:1706.02515, section 2).
_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


@dataclass(frozen=True, eq=False, repr=False)
class Activation(Named):
    """An activation function and its derivatives.

    Parameters
    ----------
    name : str
        What histories, summaries and files call it.
    sigma : callable
        Takes an array of any shape and returns sigma of every element, in that shape.
    sigma_prime : callable
        The same for the derivative.
    prime_from_output : callable, optional
        The derivative as a function of ``y = sigma(x)``, where that is cheaper.
    sigma_double_prime : callable, optional
        The second derivative, which only fitting derivatives needs (``fit(X, Y, dY=...)``). It
        is that almost everywhere: on a kink, where there is none, it is the one from the side
        whose derivative `sigma_prime` takes there, so 0 everywhere for relu.
    kinks : tuple of float, default ()
        The arguments at which the derivative jumps.
    range : tuple of float, default (-inf, inf)
        The interval that the values lie in; losses check it.
    weight_init : str, default "glorot"
        The initializer that ``weight_init="auto"`` chooses for a layer with this activation.
    check : bool, default True
        Whether a network compares `sigma_prime` with finite differences of `sigma`, and
        `sigma_double_prime` with those of `sigma_prime`, when it first uses this activation (see
        `check_derivative`).
    own : bool, default True
        Whether it was defined by a user; those of this module set it to False.

    Examples
    --------
    >>> import numpy as np
    >>> square = Activation("square", lambda x: x**2, lambda x: 2 * x)
    >>> square.sigma(np.array([3.0])), square.sigma_prime(np.array([3.0]))
    (array([9.]), array([6.]))
    """

    name: str
    sigma: ArrayFunction
    sigma_prime: ArrayFunction
    _: KW_ONLY
    prime_from_output: ArrayFunction | None = None
    sigma_double_prime: ArrayFunction | None = None
    kinks: tuple[float, ...] = ()
    range: Interval = EVERYWHERE
    weight_init: str = "glorot"
    check: bool = True
    own: bool = True

    elementwise = True
    """Whether each output depends on its own pre-activation alone, as the derivation assumes."""

    def slope(self, x: Array, y: Array) -> Array:
        """Return sigma'(x), given ``y = sigma(x)`` as well."""
        if self.prime_from_output is not None:
            return self.prime_from_output(y)
        return self.sigma_prime(x)

    def pull_back(self, gradient: Array, x: Array, y: Array) -> Array:
        """Return dC/dx from ``gradient = dC/dy``."""
        return gradient * self.slope(x, y)


class Softmax(Activation):
    """Softmax along the last axis: exp(x_j) / sum_k exp(x_k).

    Every output depends on every pre-activation of its sample, so there is no `sigma_prime`,
    and dC/dx needs the whole row of dC/dy.
    """

    elementwise = False

    def pull_back(self, gradient: Array, x: Array, y: Array) -> Array:
        """Return dC/dx_j = y_j (g_j - sum_k g_k y_k) for the gradient g = dC/dy of each row."""
        return np.asarray(y * (gradient - (gradient * y).sum(axis=-1, keepdims=True)))


def _no_sigma_prime(_: Array) -> Array:
    raise InputError(
        "softmax has no elementwise derivative sigma_prime, because each output depends on "
        "every pre-activation of its sample: use its pull_back"
    )


def _step(condition: Array, x: Array, left: Any) -> Array:
    """Return 1 where the condition holds and `left` elsewhere, in the dtype of x."""
    return np.where(condition, 1, left).astype(x.dtype, copy=False)


def _relu_like(
    name: str,
    negative: ArrayFunction,
    slope: ArrayFunction,
    curvature: ArrayFunction = np.zeros_like,
    **more: Any,
) -> Activation:
    """Return the activation that is x for positive x and ``negative(x)`` elsewhere."""
    return Activation(
        name,
        lambda x: np.maximum(x, 0) + negative(np.minimum(x, 0)),
        lambda x: _step(x > 0, x, slope(np.minimum(x, 0))),
        sigma_double_prime=lambda x: np.where(x > 0, 0, curvature(np.minimum(x, 0))),
        **{"weight_init": "he", "own": False, **more},
    )


DEFAULTS = {"leaky_relu": 0.01, "elu": 1.0, "celu": 1.0}
"""The parameters of the families where a name has none."""


def _leaky_relu(name: str, slope: float = DEFAULTS["leaky_relu"]) -> Activation:
    return _relu_like(name, lambda x: slope * x, lambda x: np.full_like(x, slope), kinks=(0.0,))


def _elu(name: str, alpha: float = DEFAULTS["elu"]) -> Activation:
    return _relu_like(
        name,
        lambda x: alpha * np.expm1(x),
        lambda x: alpha * np.exp(x),
        lambda x: alpha * np.exp(x),
        kinks=() if alpha == 1 else (0.0,),
    )


def _celu(name: str, alpha: float = DEFAULTS["celu"]) -> Activation:
    return _relu_like(
        name,
        lambda x: alpha * np.expm1(x / alpha),
        lambda x: np.exp(x / alpha),
        lambda x: np.exp(x / alpha) / alpha,
    )


def _by_output(
    name: str, sigma: ArrayFunction, prime: ArrayFunction, double_prime: ArrayFunction, **more: Any
) -> Activation:
    """Return the activation whose derivatives are functions of its own value."""
    return Activation(
        name,
        sigma,
        lambda x: prime(sigma(x)),
        prime_from_output=prime,
        sigma_double_prime=lambda x: double_prime(sigma(x)),
        own=False,
        **more,
    )


def _plain(
    name: str,
    sigma: ArrayFunction,
    sigma_prime: ArrayFunction,
    sigma_double_prime: ArrayFunction,
    **more: Any,
) -> Activation:
    return Activation(
        name, sigma, sigma_prime, sigma_double_prime=sigma_double_prime, own=False, **more
    )


def _mish_prime(x: Array) -> Array:
    t = np.tanh(numerics.softplus(x))
    return t + x * (1 - t * t) * numerics.sigmoid(x)


def _mish_double_prime(x: Array) -> Array:
    t, s = np.tanh(numerics.softplus(x)), numerics.sigmoid(x)
    return (1 - t * t) * s * (2 + x * (1 - s - 2 * t * s))


def _silu_prime(x: Array) -> Array:
    s = numerics.sigmoid(x)
    return s * (1 + x * (1 - s))


def _silu_double_prime(x: Array) -> Array:
    s = numerics.sigmoid(x)
    return s * (1 - s) * (2 + x * (1 - 2 * s))


def _softplus_double_prime(x: Array) -> Array:
    s = numerics.sigmoid(x)
    return s * (1 - s)


identity = _plain("identity", lambda x: x, np.ones_like, np.zeros_like, weight_init="lecun")
sigmoid = _by_output(
    "sigmoid",
    numerics.sigmoid,
    lambda y: y * (1 - y),
    lambda y: y * (1 - y) * (1 - 2 * y),
    range=(0, 1),
)
tanh = _by_output(
    "tanh", np.tanh, lambda y: 1 - y * y, lambda y: -2 * y * (1 - y * y), range=(-1, 1)
)
relu = _by_output(
    "relu",
    lambda x: np.maximum(x, 0),
    lambda y: (y > 0).astype(y.dtype),
    np.zeros_like,
    kinks=(0.0,),
    range=POSITIVE,
    weight_init="he",
)
leaky_relu = _leaky_relu("leaky_relu")
elu = _elu("elu")
celu = _celu("celu")
selu = _plain(
    "selu",
    lambda x: _SELU_SCALE * (np.maximum(x, 0) + _SELU_ALPHA * np.expm1(np.minimum(x, 0))),
    lambda x: _SELU_SCALE * _step(x > 0, x, _SELU_ALPHA * np.exp(np.minimum(x, 0))),
    lambda x: np.where(x > 0, 0, _SELU_SCALE * _SELU_ALPHA * np.exp(np.minimum(x, 0))),
    kinks=(0.0,),
    weight_init="lecun",
)
gelu = _plain(
    "gelu",
    lambda x: x * numerics.normal_cdf(x),
    lambda x: numerics.normal_cdf(x) + x * numerics.normal_pdf(x),
    lambda x: (2 - x * x) * numerics.normal_pdf(x),
    weight_init="he",
)
silu = _plain(
    "silu", lambda x: x * numerics.sigmoid(x), _silu_prime, _silu_double_prime, weight_init="he"
)
mish = _plain(
    "mish",
    lambda x: x * np.tanh(numerics.softplus(x)),
    _mish_prime,
    _mish_double_prime,
    weight_init="he",
)
softplus = _plain(
    "softplus",
    numerics.softplus,
    numerics.sigmoid,
    _softplus_double_prime,
    range=POSITIVE,
    weight_init="he",
)
softsign = _plain(
    "softsign",
    lambda x: x / (1 + numerics.magnitude(x)),
    lambda x: (1 + numerics.magnitude(x)) ** -2,
    lambda x: -2 * np.sign(x) * (1 + numerics.magnitude(x)) ** -3,
    range=(-1, 1),
)
hard_tanh = _plain(
    "hard_tanh",
    lambda x: np.minimum(np.maximum(x, -1), 1),
    lambda x: _step((x > -1) & (x < 1), x, 0),
    np.zeros_like,
    kinks=(-1.0, 1.0),
    range=(-1, 1),
)
sin = _plain("sin", np.sin, np.cos, lambda x: -np.sin(x), range=(-1, 1))
gaussian = _plain(
    "gaussian",
    lambda x: np.exp(-x * x),
    lambda x: -2 * x * np.exp(-x * x),
    lambda x: (4 * x * x - 2) * np.exp(-x * x),
    range=(0, 1),
)
exponential = _plain(
    "exponential",
    numerics.exp,
    numerics.exp_prime,
    numerics.exp_double_prime,
    range=POSITIVE,
)
softmax = Softmax("softmax", numerics.softmax, _no_sigma_prime, range=(0, 1), own=False)

NAMED = {
    activation.name: activation
    for activation in (
        identity, sigmoid, tanh, relu, leaky_relu, elu, selu, celu, gelu, silu, mish,
        softplus, softsign, hard_tanh, sin, gaussian, exponential, softmax,
    )
}  # fmt: skip
_FAMILIES: dict[str, Callable[[str, float], Activation]] = {
    "leaky_relu": _leaky_relu,
    "elu": _elu,
    "celu": _celu,
}


def get(activation: str | Activation) -> Activation:
    """Return the activation of that name, or `activation` itself if it is one.

    A family takes its parameter in parentheses: ``"leaky_relu(0.2)"``, ``"elu(0.5)"``,
    ``"celu(2)"``.

    Raises
    ------
    InputError
        If there is none of that name; the closest is named.

    Examples
    --------
    >>> get("tanh"), get("leaky_relu(0.2)")
    (<Activation tanh>, <Activation leaky_relu(0.2)>)
    """
    if isinstance(activation, Activation):
        return activation
    if found := parameter_of(activation, _FAMILIES):
        family, value = found
        return _FAMILIES[family](f"{family}({value!r})", value)
    return NAMED[require_choice("activation", activation, NAMED)]


def check_derivative(activation: Activation) -> None:
    """Compare each derivative with central differences over [-3, 3], in float64.

    Raises
    ------
    InputError
        If the shapes are wrong, if sigma is not elementwise, if `sigma_prime` is not the
        derivative of sigma, or `sigma_double_prime` that of sigma_prime; the argument where they
        differ most is named.
    """
    name, h = activation.name, 1e-6
    # An irrational spacing, so that no point falls on a kink at a round number.
    x = (np.arange(-20, 20) + 0.37) * (math.pi / 20)
    sigma, prime = activation.sigma, activation.sigma_prime
    with np.errstate(all="ignore"):
        y = np.asarray(sigma(x))
        given = {"sigma": y, "sigma_prime": prime(x)}
        if activation.sigma_double_prime is not None:
            given["sigma_double_prime"] = activation.sigma_double_prime(x)
        for what, value in given.items():
            if np.shape(value) != x.shape:
                raise InputError(
                    f"{what} of activation {name!r} must keep the shape of its argument: "
                    f"it took {x.shape} and returned {np.shape(value)}"
                )
        alone = np.concatenate([sigma(x[i : i + 1]) for i in range(len(x))])
        if not np.allclose(y, alone, rtol=1e-9, equal_nan=True):
            raise InputError(
                f"sigma of activation {name!r} must treat every element by itself, but its "
                "value for one element changed with the others"
            )
        if activation.prime_from_output is not None:
            given["prime_from_output"] = activation.prime_from_output(y)
        differences = {
            "sigma": (sigma(x + h) - sigma(x - h)) / (2 * h),
            "sigma_prime": (prime(x + h) - prime(x - h)) / (2 * h),
        }
    off_kinks = np.all([np.abs(x - kink) > 2 * h for kink in (*activation.kinks, math.inf)], axis=0)
    if not (off_kinks & np.isfinite(differences["sigma"])).any():
        raise InputError(
            f"activation {name!r} is not finite anywhere in [-3, 3]: sigma and sigma_prime "
            "must be defined for the pre-activations that occur"
        )
    del given["sigma"]
    for what, derivative in given.items():
        of = "sigma_prime" if what == "sigma_double_prime" else "sigma"
        difference = differences[of]
        usable = off_kinks & np.isfinite(difference)
        error = np.abs(difference - derivative) / np.maximum(1, np.abs(difference))
        error = np.where(usable, np.nan_to_num(error, nan=np.inf), 0)
        worst = int(np.argmax(error))
        if error[worst] > 1e-5:
            raise InputError(
                f"{what} of activation {name!r} is not the derivative of its {of}: at "
                f"{x[worst]:.4g} it gives {derivative[worst]:.6g}, a central difference of {of} "
                f"gives {difference[worst]:.6g}"
            )

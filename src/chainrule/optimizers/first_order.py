"""First-order optimizers: each a pair of functions, `init` and `update`.

``init(theta)`` returns the state, arrays by name, that starts at the parameters theta;
``update(theta, g, state, eta, t)`` makes step t = 1, 2, ... with the gradient g and the
learning rate eta, changing theta and the state in place. Everything acts on each entry of
one flat array, so that an optimizer knows nothing of layers. The equations use the same
names; a prime marks the new value.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from chainrule.errors import InputError
from chainrule.numerics import Array
from chainrule.optimizers.checking import require_numbers_in_range

State = dict[str, Array]


@dataclass(frozen=True)
class Optimizer:
    """Base class: the learning rate, and how state is initialised.

    Parameters
    ----------
    learning_rate : float, optional
        Takes the place of the ``learning_rate`` given to ``fit``.
    """

    learning_rate: float | None = None
    _: KW_ONLY

    slots: ClassVar[tuple[str, ...]] = ()
    """The names of the arrays of the state; all start at zero."""
    whole_batch: ClassVar[bool] = False
    """Whether a step needs all the data, whatever the batch size that was asked for."""

    def __post_init__(self) -> None:
        """Check that every number is in its range."""
        require_numbers_in_range(self)

    @property
    def name(self) -> str:
        """What histories and errors call it."""
        return type(self).__name__

    def init(self, theta: Array) -> State:
        """Return the state before the first step."""
        return {slot: np.zeros_like(theta) for slot in self.slots}

    def factors(self, eta: Array, t: Array, state: State) -> dict[str, Array]:
        """Return the factors of m, g and sqrt(v) in consecutive steps, for rules that have any.

        They depend on the learning rates `eta` and the numbers `t` of the steps, not on the
        parameters. What `state` holds of earlier steps goes on to after these.
        """
        del eta, t, state
        return {}

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        raise TypeError(f"{type(self).__name__} is a base class: define update")


@dataclass(frozen=True)
class GradientDescent(Optimizer):
    """Gradient descent, the standard one (Cauchy 1847).

    theta' = theta - eta g
    """

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        theta -= eta * g


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum.

    v' = momentum v - eta g

    theta' = theta + v' (Polyak 1964), or, with ``nesterov=True``,
    theta' = theta + momentum v' - eta g (Nesterov 1983, in the form of Sutskever et al.
    2013, ICML, section 2).
    """

    momentum: float = 0.9
    nesterov: bool = False

    slots = ("v",)

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        v = state["v"]
        v *= self.momentum
        v -= eta * g
        theta += self.momentum * v - eta * g if self.nesterov else v


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012, lecture 6.5).

    v' = decay v + (1 - decay) g^2

    theta' = theta - eta g / (sqrt(v') + epsilon)
    """

    decay: float = 0.99
    epsilon: float = 1e-8

    slots = ("v",)

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        v = state["v"]
        _average(v, g * g, self.decay)
        theta -= eta * g / (np.sqrt(v) + self.epsilon)


@dataclass(frozen=True)
class Adagrad(Optimizer):
    """Adagrad (Duchi et al. 2011, JMLR 12, 2121-2159).

    v' = v + g^2

    theta' = theta - eta g / (sqrt(v') + epsilon)
    """

    epsilon: float = 1e-10

    slots = ("v",)

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        v = state["v"]
        v += g * g
        theta -= eta * g / (np.sqrt(v) + self.epsilon)


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1).

    m' = beta1 m + (1 - beta1) g

    v' = beta2 v + (1 - beta2) g^2

    theta' = theta - eta (m' / (1 - beta1^t)) / (sqrt(v' / (1 - beta2^t)) + epsilon)

    With ``epsilon_hat=True``, epsilon is the paper's epsilon hat (end of its section 2), as it is
    in scikit-learn: added to sqrt(v') as it is, it weighs more in the first steps.

    theta' = theta - eta sqrt(1 - beta2^t) / (1 - beta1^t) m' / (sqrt(v') + epsilon)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    epsilon_hat: bool = False

    slots = ("m", "v")

    def factors(self, eta: Array, t: Array, state: State) -> dict[str, Array]:
        """Return the factors of m and sqrt(v): eta / (1 - beta1^t) and 1 / sqrt(1 - beta2^t).

        With epsilon hat, both divided by the second.
        """
        of_m, of_sqrt_v = eta / (1 - self.beta1**t), (1 - self.beta2**t) ** -0.5
        if self.epsilon_hat:
            return {"m": of_m / of_sqrt_v, "sqrt_v": np.ones_like(of_sqrt_v)}
        return {"m": of_m, "sqrt_v": of_sqrt_v}

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        m, v = state["m"], state["v"]
        _average(m, g, self.beta1)
        _average(v, g * g, self.beta2)
        of = _one(self.factors, eta, t, state)
        theta -= of["m"] * m / (np.sqrt(v) * of["sqrt_v"] + self.epsilon)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, arXiv:1711.05101).

    theta' = (1 - eta weight_decay) theta, and then the step of Adam. As in other
    implementations, the biases decay too.
    """

    weight_decay: float = 0.01

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        theta *= 1 - eta * self.weight_decay
        super().update(theta, g, state, eta, t)


@dataclass(frozen=True)
class NAdam(Optimizer):
    """Adam with Nesterov momentum (Dozat 2016, ICLR workshop, algorithm 2).

    mu_t = beta1 (1 - 0.5 * 0.96^(t momentum_decay)), M_t = mu_1 mu_2 ... mu_t

    m' = beta1 m + (1 - beta1) g, v' = beta2 v + (1 - beta2) g^2

    theta' = theta - eta (mu_(t+1) m' / (1 - M_(t+1)) + (1 - mu_t) g / (1 - M_t))
    / (sqrt(v' / (1 - beta2^t)) + epsilon)
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    momentum_decay: float = 4e-3

    slots = ("m", "v")

    def init(self, theta: Array) -> State:
        """Return the state before the first step; M is a product over the steps."""
        return {**super().init(theta), "M": np.ones(1)}

    def _mu(self, t: Array) -> Array:
        return self.beta1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def factors(self, eta: Array, t: Array, state: State) -> dict[str, Array]:
        """Return the factors of m and g in theta', and 1 / sqrt(1 - beta2^t) for sqrt(v)."""
        mu, mu_next = self._mu(t), self._mu(t + 1)
        M = state["M"] * np.cumprod(mu)
        state["M"][:] = M[-1]
        return {
            "m": eta * mu_next / (1 - M * mu_next),
            "g": eta * (1 - mu) / (1 - M),
            "sqrt_v": (1 - self.beta2**t) ** -0.5,
        }

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        m, v = state["m"], state["v"]
        _average(m, g, self.beta1)
        _average(v, g * g, self.beta2)
        of = _one(self.factors, eta, t, state)
        theta -= (of["m"] * m + of["g"] * g) / (np.sqrt(v) * of["sqrt_v"] + self.epsilon)


@dataclass(frozen=True)
class Lion(Optimizer):
    """Lion, the evolved sign momentum (Chen et al. 2023, arXiv:2302.06675, algorithm 2).

    theta' = theta - eta (sign(beta1 m + (1 - beta1) g) + weight_decay theta)

    m' = beta2 m + (1 - beta2) g

    Every step has the size eta: take a third to a tenth of Adam's.
    """

    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0

    slots = ("m",)

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        m = state["m"]
        direction = np.sign(self.beta1 * m + (1 - self.beta1) * g)
        theta -= eta * (direction + self.weight_decay * theta)
        _average(m, g, self.beta2)


@dataclass(frozen=True)
class Rprop(Optimizer):
    """Resilient backpropagation (Riedmiller and Braun 1993), the variant iRprop-.

    Igel and Huesken 2003, Neurocomputing 50, 105-123. For every entry, with the previous
    gradient h:

    s' = min(s grow, largest) where g h > 0; max(s shrink, smallest) where g h < 0, and then
    g is taken as 0; theta' = theta - sign(g) s'

    The steps s start at eta, which is all that the learning rate is for. It looks at signs
    alone, so each step takes the whole data, whatever the batch size.
    """

    shrink: float = 0.5
    grow: float = 1.2
    smallest: float = 1e-6
    largest: float = 50.0

    slots = ("h", "s")
    whole_batch = True

    def __post_init__(self) -> None:
        """Check that every number is in its range."""
        super().__post_init__()
        if not (0 < self.shrink < 1 < self.grow and 0 < self.smallest <= self.largest):
            raise InputError(
                "Rprop needs 0 < shrink < 1 < grow and 0 < smallest <= largest, but has "
                f"{self.shrink}, {self.grow}, {self.smallest} and {self.largest}"
            )

    def update(self, theta: Array, g: Array, state: State, eta: float, t: int) -> None:
        """Make step `t`, in place."""
        h, s = state["h"], state["s"]
        if t == 1:
            s[:] = eta
        agreement = np.sign(g) * np.sign(h)  # the signs first: a product could underflow
        s *= np.where(agreement > 0, self.grow, np.where(agreement < 0, self.shrink, 1))
        np.clip(s, self.smallest, self.largest, out=s)
        h[:] = np.where(agreement < 0, 0, g)
        theta -= np.sign(h) * s


def _one(factors: Callable[..., dict[str, Array]], eta: float, t: int, state: State) -> Any:
    """Return the factors of a single step, as numbers of Python, which keep float32."""
    found = factors(np.array([eta]), np.array([t]), state)
    return {name: float(value[0]) for name, value in found.items()}


def _average(mean: Array, value: Array, decay: float) -> None:
    """Move an exponential moving average towards `value`, in place."""
    mean *= decay
    mean += (1 - decay) * value

"""One forward and one backward pass laid open: every quantity, in the order of computing."""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule import batches, equations, notation
from chainrule.architecture import Parametrized
from chainrule.cost import BatchCost
from chainrule.counting import Tally, UncountedCost, plain
from chainrule.errors import require_choice
from chainrule.numerics import Array


class Step(NamedTuple):
    """One statement of the derivation, carried out."""

    equation: str
    """Its number (A1, B3, ...), ``"paths"``, or ``"definition"`` where it has none."""
    symbol: str
    """The attribute of `Trace` that it fills; ``"C"`` for the cost."""
    layer: int | None
    """L, counted from 1 (0 is the input); None for the cost."""
    value: Array
    multiplications: int
    """Spent since the step before."""


@dataclass
class Trace:
    """Every quantity of one pass; lists are indexed by L, None where it is not defined."""

    form: str
    loss: float
    W: list[Any]
    B: list[Any]
    phi: list[Any]
    rho: list[Any]
    omega: list[Any]
    lambda_: list[Any]
    grad_W: list[Any]
    grad_B: list[Any]
    steps: list[Step]
    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss_name: str

    @property
    def multiplications(self) -> int:
        """The number of multiplications of all steps, those inside sigma and C left out."""
        return sum(step.multiplications for step in self.steps)

    @property
    def n_samples(self) -> int:
        """The number of samples, the columns of phi."""
        return int(self.phi[0].shape[1])

    def __str__(self) -> str:
        lines = [
            f"Backpropagation in the {self.form} form: {notation.FORMS[self.form]}",
            f"network {'-'.join(map(str, self.layer_sizes))} ({', '.join(self.activations)}), "
            f"loss {self.loss_name}, {self.n_samples} sample{'s' * (self.n_samples != 1)} "
            "(columns)",
        ]
        backward = False
        lines += ["", "forward pass"]
        for step in self.steps:
            if not backward and step.symbol not in ("phi", "rho", "C"):
                backward = True
                lines += ["", "backward pass"]
            name = notation.label(step.symbol, step.layer)
            number = "" if step.equation == "definition" else f"({step.equation})"
            shape = "x".join(map(str, np.shape(step.value))) or "scalar"
            lines.append(f"  {name:<9}{number:<8}{shape}")
            text = np.array2string(
                np.asarray(step.value), precision=5, threshold=40, edgeitems=3, max_line_width=88
            )
            lines.append(textwrap.indent(text, " " * 6))
        lines += ["", f"{self.multiplications:,} multiplications"]
        return "\n".join(lines)

    def to_json(self) -> str:
        """Return everything as JSON: the form, the network, and the steps with their values."""
        steps = [
            {
                "equation": step.equation,
                "symbol": step.symbol,
                "layer": step.layer,
                "shape": list(np.shape(step.value)),
                "multiplications": step.multiplications,
                "value": np.asarray(step.value).tolist(),
            }
            for step in self.steps
        ]
        record = {
            "form": self.form,
            "layer_sizes": list(self.layer_sizes),
            "activations": list(self.activations),
            "loss_function": self.loss_name,
            "loss": self.loss,
            "multiplications": self.multiplications,
            "steps": steps,
        }
        return json.dumps(record)


def trace(
    net: Parametrized,
    X: Any,
    Y: Any,
    form: str = "lambda",
    sample_weight: Any = None,
    limit: int = 200_000,
) -> Trace:
    """Run one forward and one backward pass and return all that was computed.

    Parameters
    ----------
    net : Network
        The network; it is not changed.
    X : array of shape (n, n_0)
        Samples as rows; in the trace they are columns, as in the derivation.
    Y : array of shape (n, n_targets)
        The targets.
    form : {"lambda", "omega", "paths"}, default "lambda"
        Which of the derivation's three forms to run (`chainrule.notation.FORMS`).
    sample_weight : array of shape (n,), optional
        Weights of the samples in C.
    limit : int, default 200_000
        The number of paths above which ``form="paths"`` is refused.

    Returns
    -------
    Trace
        ``phi``, ``rho``, ``omega``, ``lambda_``, ``grad_W``, ``grad_B`` by L, ``loss``,
        ``steps``, ``multiplications``.

    Raises
    ------
    InputError
        If X or Y do not fit the network, the form is not known, or there are too many paths.

    Examples
    --------
    >>> import chainrule as cr
    >>> net = cr.Network([2, 3, 1], activation="tanh", dtype="float64")
    >>> t = cr.trace(net, [[0.5, -1.0]], [[1.0]])
    >>> [notation.label(step.symbol, step.layer) for step in t.steps][-3:]
    ['dC/dB^1', 'dC/dW^1', 'omega^0']
    >>> t.grad_W[1].shape, t.lambda_[0] is None
    ((3, 2), True)
    """
    require_choice("form", form, notation.FORMS)
    architecture = net.architecture
    data = batches.data(architecture, X, Y, sample_weight)
    dtype = net.parameters.dtype
    W, B, sigma = architecture.for_equations(net.parameters)
    weight = None if data.sample_weight is None else data.sample_weight.astype(dtype)
    cost = BatchCost(architecture.loss, architecture.activations[-1], data.Y.astype(dtype), weight)

    tally = Tally()
    W, B = ([None, *(tally.array(value) for value in values[1:])] for values in (W, B))
    layers = [None, *(tally.activation(s) for s in sigma[1:])]
    dense = data.X.toarray() if hasattr(data.X, "tocsr") else data.X
    options: dict[str, Any] = {"limit": limit} if form == "paths" else {}
    # as in the engines: what overflows shows in the values
    with np.errstate(over="ignore", invalid="ignore"):
        q = equations.forward(W, B, layers, tally.array(dense.astype(dtype).T), tally)
        loss = float(cost.value(plain(q.rho[-1]), plain(q.phi[-1])))
        n_forward = len(q.order)
        equations.BACKWARD[form](q, W, layers, UncountedCost(cost, tally), **options)

    values = {
        symbol: [plain(value) for value in getattr(q, symbol)]
        for symbol in ("phi", "rho", "omega", "lambda_", "grad_W", "grad_B")
    }
    steps, before = [], 0
    for symbol, L, count in q.order:
        number = notation.EQUATIONS.get((form, symbol), "definition")
        if symbol == "omega" and L == q.l:
            number = "definition"
        steps.append(Step(number, symbol, L, values[symbol][L], count - before))
        before = count
    steps.insert(n_forward, Step("definition", "C", None, np.asarray(loss), 0))
    return Trace(
        form=form,
        loss=loss,
        W=[plain(value) for value in W],
        B=[plain(value) for value in B],
        **values,
        steps=steps,
        layer_sizes=architecture.layer_sizes,
        activations=tuple(a.name for a in architecture.activations),
        loss_name=architecture.loss.name,
    )

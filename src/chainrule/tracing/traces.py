"""One forward and one backward pass laid open: every quantity, in the order of computing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from chainrule import batches, equations, notation
from chainrule.architecture import Parametrized
from chainrule.cost import BatchCost
from chainrule.counting import Tally, UncountedCost, paths_multiplications, plain
from chainrule.errors import require_choice
from chainrule.numerics import Array

# Each takes some microseconds, only to be counted: of more, the count is computed.
_MOST_COUNTED_PATHS = 500


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

    @property
    def forward(self) -> bool:
        """Whether it belongs to the forward pass."""
        return self.symbol in ("phi", "rho", "C")


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
    sigma_prime: list[Any]
    """sigma'(rho); at the output None where lambda^l has a closed form instead."""
    output_lambda: Array
    """dC/drho^l, in whichever form."""
    Y: Array
    """The targets, of shape (n_targets, n)."""
    steps: list[Step]
    backward_multiplications: dict[str, int]
    """Of the backward pass, in each form."""
    layer_sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss_name: str
    weighted: bool
    """Whether the samples have weights in C."""
    has_biases: bool
    """Whether the network has any; if not, B is 0, and never changes."""

    @property
    def multiplications(self) -> int:
        """The number of multiplications of all steps, those inside sigma and C left out."""
        return sum(step.multiplications for step in self.steps)

    @property
    def n_samples(self) -> int:
        """The number of samples, the columns of phi."""
        return int(self.phi[0].shape[1])

    def __str__(self) -> str:
        from chainrule.tracing import text

        return text.plain(text.Printer().trace(self))

    def _repr_html_(self) -> str:
        from chainrule.tracing import html

        return html.fragment(self)

    def to_json(self) -> str:
        """Return everything as JSON; `docs/explain.md` has the schema.

        Returns
        -------
        str
            Numbers have all their digits; what is not finite is null.
        """
        from chainrule.tracing import record

        return record.dumps(record.of(self))

    def to_latex(self) -> str:
        """Return a LaTeX document that compiles as it is: the equations and their matrices."""
        from chainrule.tracing import latex

        return latex.document(self)

    def to_html(self) -> str:
        """Return one page that needs nothing else: no network, no other file."""
        from chainrule.tracing import html

        return html.page(self)


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
        ``steps``, ``multiplications``; it prints as text, and has ``to_html()``,
        ``to_latex()`` and ``to_json()``.

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
        X = tally.array(dense.astype(dtype).T)
        q = equations.forward(W, B, layers, X, tally)
        loss = float(cost.value(plain(q.rho[-1]), plain(q.phi[-1])))
        n_forward = len(q.order)
        equations.BACKWARD[form](q, W, layers, UncountedCost(cost, tally), **options)

        closed_form = cost.lambda_(plain(q.rho[-1]), plain(q.phi[-1]))
        sigma_prime = [None] + [
            sigma[L].slope(plain(q.rho[L]), plain(q.phi[L]))
            if L < q.l or closed_form is None
            else None
            for L in range(1, q.l + 1)
        ]
        if closed_form is None:
            closed_form = plain(q.omega[-1]) * sigma_prime[-1]
        counts = {
            name: _count(name, X.shape[1], W, B, layers, X[:, :1], cost, tally)
            for name in equations.BACKWARD
        }

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
        sigma_prime=sigma_prime,
        output_lambda=closed_form,
        Y=data.Y.astype(dtype).T,
        steps=steps,
        backward_multiplications=counts,
        layer_sizes=architecture.layer_sizes,
        activations=tuple(a.name for a in architecture.activations),
        loss_name=architecture.loss.name,
        weighted=weight is not None,
        has_biases=architecture.bias,
    )


def _count(
    form: str, n: int, W: Any, B: Any, sigma: Any, x: Array, cost: BatchCost, tally: Tally
) -> int:
    """Return the multiplications of one backward pass: n times those of one sample."""
    sizes = [len(x), *(len(w) for w in W[1:])]
    one = BatchCost(cost.loss, cost.activation, cost.Y[:1])
    q = equations.forward(W, B, sigma, x)
    if form == "paths" and equations.count_paths(sizes) > _MOST_COUNTED_PATHS:
        closed = one.lambda_(plain(q.rho[-1]), plain(q.phi[-1])) is not None
        return n * paths_multiplications(sizes, not closed)
    before = tally.multiplications
    equations.BACKWARD[form](q, W, sigma, UncountedCost(one, tally))
    return n * (tally.multiplications - before)

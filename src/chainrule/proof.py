"""The proof that the code which trains is the derivative: `equations` run on symbols."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule import equations, losses
from chainrule.activations import identity
from chainrule.architecture import build
from chainrule.cost import BatchCost
from chainrule.errors import InputError, MissingExtraError
from chainrule.numerics import Array


@dataclass(frozen=True)
class Difference:
    """SymPy's derivative minus ours, for one weight, bias or input and one form."""

    variable: str
    form: str
    derivative: str
    """What SymPy finds, as text."""
    difference: str
    """Simplified; ``"0"`` if the two are the same function."""
    spelled: str
    """The derivative in the derivation's symbols, a term for each path."""


@dataclass(frozen=True)
class Proof:
    """The report of `prove`; prints as a table."""

    layer_sizes: tuple[int, ...]
    differences: tuple[Difference, ...]
    cost: str = ""
    """C in the derivation's symbols."""

    @property
    def passed(self) -> bool:
        """Whether every difference is zero."""
        return all(d.difference == "0" for d in self.differences)

    def __bool__(self) -> bool:
        return self.passed

    def __str__(self) -> str:
        variables = list(dict.fromkeys(d.variable for d in self.differences))
        lines = [
            f"network {'-'.join(map(str, self.layer_sizes))}, sigma unknown in every layer, "
            "C = 1/(2n) sum |phi^l - y|^2",
            f"dC/dv by SymPy minus dC/dv by {', '.join(equations.BACKWARD)}:",
        ]
        for variable in variables:
            found = [d.difference for d in self.differences if d.variable == variable]
            lines.append(f"  {variable:<14}" + "  ".join(f"{text:>6}" for text in found))
        verdict = "proven: every difference is zero" if self.passed else "NOT PROVEN"
        lines.append(f"{verdict} ({len(variables)} derivatives, {len(equations.BACKWARD)} forms)")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from chainrule.notebook import html

        return html.preformatted(self.as_derivation())

    def as_derivation(self) -> str:
        """Return the proof equation by equation: for each layer one weight, bias and input.

        Each derivative is what SymPy finds, with phi and rho written for what they stand for;
        below it is what the numbered equations give, minus it.
        """
        numbers = {"W": ("A3", "B3"), "B": ("A2", "B2"), "x": ("A1", "B1")}
        first: dict[str, str] = {}
        for found in self.differences:
            first.setdefault(found.variable.partition("_")[0], found.variable)
        lines = [
            f"network {'-'.join(map(str, self.layer_sizes))}, sigma unknown in every layer",
            f"C = {self.cost}",
        ]
        # from the last layer back; the inputs have no layer and come last
        for array in sorted(first, key=lambda array: array.partition("^")[2], reverse=True):
            forms = [d for d in self.differences if d.variable == first[array]]
            start = f"dC/d{first[array]} = "
            terms = forms[0].spelled.replace(" + ", f"\n{'+ ':>{len(start)}}")
            ways = zip(("the paths", *numbers[array[0]]), forms, strict=True)
            less = ", ".join(f"by {way}: {d.difference}" for way, d in ways)
            lines += ["", start + terms, f"    less what equations.py gives, {less}"]
        n = len({d.variable for d in self.differences})
        verdict = (
            f"proven: so it is for each of the {n} weights, biases and inputs"
            if self.passed
            else "NOT PROVEN"
        )
        return "\n".join([*lines, "", verdict])


def prove(layer_sizes: Sequence[int], n_samples: int = 1, limit: int = 1000) -> Proof:
    """Prove that the equations give the derivative of C, for activations left unknown.

    C is written out with scalars and indices, in symbols for every weight, bias and input;
    SymPy differentiates it; and `equations.py`, the file that trains, runs on the same symbols.
    The differences are simplified.

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0, ..., n_l, such as ``[2, 3, 2]``.
    n_samples : int, default 1
        The number of samples, the columns of phi.
    limit : int, default 1000
        The largest number of paths from a symbol to C: the time grows with it.

    Returns
    -------
    Proof
        With ``passed`` and a row for each symbol; it is true if it is proven.

    Raises
    ------
    MissingExtraError
        If SymPy is not installed.
    InputError
        If the layer sizes or the number of samples make no sense, or there are too many paths.

    Examples
    --------
    >>> import chainrule as cr
    >>> cr.prove([1, 2, 1]).passed
    True
    """
    try:
        import sympy
    except ImportError:
        raise MissingExtraError("sympy", "prove", "chainrule.prove") from None
    sizes = build(layer_sizes, "identity", "identity", "squared_error", True, "float64").layer_sizes
    if not isinstance(n_samples, int) or n_samples < 1:
        raise InputError(f"n_samples must be a whole number of at least 1, but is {n_samples!r}")
    n_paths = n_samples * equations.count_paths(sizes)
    count = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(sizes))
    count += sizes[0] * n_samples
    if n_paths > limit:
        raise InputError(
            f"a proof for {'-'.join(map(str, sizes))} with {n_samples} samples has {count} "
            f"derivatives and {n_paths:,} paths, more than the limit of {limit:,}: take a smaller "
            "network, such as [2, 3, 2], or raise limit"
        )

    def symbols(name: str, *shape: int) -> Array:
        array = np.empty(shape, object)
        comma = "," if max(shape) > 9 else ""  # SymPy takes symbols of one name for the same
        for index in np.ndindex(*shape):
            place = comma.join(str(i + 1) for i in index)
            array[index] = sympy.Symbol(f"{name}_{place}", real=True)
        return array

    l = len(sizes) - 1
    W = [None, *(symbols(f"W^{L}", sizes[L], sizes[L - 1]) for L in range(1, l + 1))]
    B = [None, *(symbols(f"B^{L}", sizes[L]) for L in range(1, l + 1))]
    sigma = [None, *(_unknown(sympy, L) for L in range(1, l + 1))]
    X, Y = symbols("x", sizes[0], n_samples), symbols("y", sizes[-1], n_samples)
    cost = BatchCost(losses.squared_error, identity, Y.T)

    C, names = _cost_written_out(sympy, sizes, W, B, sigma, X, Y)
    ours = {
        form: run(equations.forward(W, B, sigma, X), W, sigma, cost)
        for form, run in equations.BACKWARD.items()
    }
    pairs: list[tuple[Any, dict[str, Any]]] = []
    for L in range(1, l + 1):
        pairs.append((W[L], {form: q.grad_W[L] for form, q in ours.items()}))
        pairs.append((B[L], {form: q.grad_B[L] for form, q in ours.items()}))
    pairs.append((X, {form: q.omega[0] for form, q in ours.items()}))
    differences = []
    for variables, gradients in pairs:
        for index in np.ndindex(*variables.shape):
            derivative = sympy.diff(C, variables[index])
            spelled = str(_by_path(sympy, derivative.xreplace(names)))
            for form, gradient in gradients.items():
                difference = sympy.expand(derivative - gradient[index])
                if difference != 0:
                    difference = sympy.simplify(difference)
                differences.append(
                    Difference(
                        str(variables[index]), form, str(derivative), str(difference), spelled
                    )
                )
    return Proof(sizes, tuple(differences), str(C.xreplace(names)))


def _cost_written_out(
    sympy: Any, n: Sequence[int], W: Any, B: Any, sigma: Any, X: Array, Y: Array
) -> tuple[Any, dict[Any, Any]]:
    """Return C = 1/(2n) sum_i sum_j (phi^l_j(x_i) - y_ji)^2, written with scalars and indices.

    Not by `equations`, so that a mistake in its forward pass shows too. Also what stands for
    phi and sigma'(rho) in it, with their names.
    """
    C = sympy.Integer(0)
    names: dict[Any, Any] = {}
    for i in range(X.shape[1]):
        phi = [X[k, i] for k in range(n[0])]
        for L in range(1, len(n)):
            rho = [sum(W[L][j, k] * phi[k] for k in range(n[L - 1])) + B[L][j] for j in range(n[L])]
            phi = [sigma[L].function(rho_j) for rho_j in rho]
            for j, (rho_j, phi_j) in enumerate(zip(rho, phi, strict=True), 1):
                place = f"{L}_{j}" + (f",{i + 1}" if X.shape[1] > 1 else "")
                names[phi_j] = sympy.Symbol(f"phi^{place}")
                names[sigma[L].prime(rho_j)] = sigma[L].prime(sympy.Symbol(f"rho^{place}"))
        C += sum((phi[j] - Y[j, i]) ** 2 for j in range(n[-1]))
    return C / (2 * X.shape[1]), names


def _by_path(sympy: Any, derivative: Any) -> Any:
    """Return a derivative as a sum over paths, phi^l - y kept together in each."""
    errors = {
        difference: sympy.Dummy(str(difference))
        for difference in derivative.atoms(sympy.Add)
        if all(isinstance(part, sympy.Symbol) or part.is_Mul for part in difference.args)
        and any(str(part).startswith("-y") for part in difference.args)
    }
    back = {dummy: difference for difference, dummy in errors.items()}
    return sympy.expand(derivative.xreplace(errors)).xreplace(back)


def _unknown(sympy: Any, L: int) -> Any:
    """Return an activation of which nothing is known but that it has a derivative."""
    prime = sympy.Function(f"sigma_{L}'")
    # The base class of a function whose derivative has a name of its own.
    named = type(
        f"sigma_{L}",
        (sympy.Function,),
        {"fdiff": lambda self, argindex=1: prime(self.args[0])},
    )

    class Unknown:
        function = named

        def prime(self, rho: Any) -> Any:
            return prime(rho)

        def sigma(self, rho: Array) -> Array:
            return np.asarray(np.frompyfunc(named, 1, 1)(rho))

        def slope(self, rho: Array, phi: Array) -> Array:
            del phi
            return np.asarray(np.frompyfunc(prime, 1, 1)(rho))

    return Unknown()

"""A network of SymPy's symbols, and what it computes written out with scalars and indices.

Not by `equations`, so that a mistake in its forward pass shows too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.numerics import Array


class SymbolicNetwork:
    """Symbols for every weight, bias, input and target, with activations left unknown."""

    def __init__(self, sympy: Any, n: Sequence[int], n_samples: int) -> None:
        self.sympy, self.n, self.n_samples = sympy, n, n_samples
        self.l = len(n) - 1
        layers = range(1, self.l + 1)
        self.W: list[Any] = [None, *(self.symbols(f"W^{L}", n[L], n[L - 1]) for L in layers)]
        self.B: list[Any] = [None, *(self.symbols(f"B^{L}", n[L]) for L in layers)]
        self.sigma: list[Any] = [None, *(_unknown(sympy, L) for L in layers)]
        self.X, self.Y = self.symbols("x", n[0], n_samples), self.symbols("y", n_samples, n[-1])
        self.names: dict[Any, Any] = {}
        """What stands for phi, sigma'(rho) and sigma''(rho) in what is written out."""
        self.outputs = self._outputs()
        """phi^l, of shape (n_l, n_samples)."""
        self.C = ((self.outputs - self.Y.T) ** 2).sum() / (2 * n_samples)

    def symbols(self, name: str, *shape: int) -> Array:
        """Return an array of symbols, numbered from 1."""
        array = np.empty(shape, object)
        for index in np.ndindex(*shape):
            numbers = "".join(str(i + 1) for i in index)
            array[index] = self.sympy.Symbol(f"{name}_{numbers}", real=True)
        return array

    def variables(self) -> Iterator[Array]:
        """Yield the weights and biases of each layer, then the inputs."""
        for L in range(1, self.l + 1):
            yield self.W[L]
            yield self.B[L]
        yield self.X

    def _outputs(self) -> Array:
        n, outputs = self.n, np.empty((self.n[-1], self.n_samples), object)
        for i in range(self.n_samples):
            phi = [self.X[k, i] for k in range(n[0])]
            for L in range(1, self.l + 1):
                W, B, sigma = self.W[L], self.B[L], self.sigma[L]
                rho = [sum(W[j, k] * phi[k] for k in range(n[L - 1])) + B[j] for j in range(n[L])]
                phi = [sigma.function(rho_j) for rho_j in rho]
                for j, (rho_j, phi_j) in enumerate(zip(rho, phi, strict=True), 1):
                    place = f"{L}_{j}" + (f",{i + 1}" if self.n_samples > 1 else "")
                    self.names[phi_j] = self.sympy.Symbol(f"phi^{place}")
                    for function in (sigma.prime, sigma.double_prime):
                        self.names[function(rho_j)] = function(self.sympy.Symbol(f"rho^{place}"))
            outputs[:, i] = phi
        return outputs

    def difference(self, derivative: Any, ours: Any) -> str:
        """Return the one minus the other, simplified, as text."""
        # with names for the functions there is far less to expand
        if self.sympy.expand((derivative - ours).xreplace(self.names)) == 0:
            return "0"
        return str(self.sympy.simplify(self.sympy.expand(derivative - ours)))

    def spelled(self, derivative: Any) -> str:
        """Return a derivative as a sum over paths, phi^l - y kept together in each."""
        sympy, derivative = self.sympy, derivative.xreplace(self.names)
        errors = {
            difference: sympy.Dummy(str(difference))
            for difference in derivative.atoms(sympy.Add)
            if all(isinstance(part, sympy.Symbol) or part.is_Mul for part in difference.args)
            and any(str(part).startswith("-y") for part in difference.args)
        }
        back = {dummy: difference for difference, dummy in errors.items()}
        return str(sympy.expand(derivative.xreplace(errors)).xreplace(back))


def _unknown(sympy: Any, L: int) -> Any:
    """Return an activation of which nothing is known but that it has derivatives."""
    second = sympy.Function(f"sigma_{L}''")

    def differentiable(name: str, derivative: Any) -> Any:
        # The base class of a function whose derivative has a name of its own.
        slope = {"fdiff": lambda self, argindex=1: derivative(self.args[0])}
        return type(name, (sympy.Function,), slope)

    first = differentiable(f"sigma_{L}'", second)
    named = differentiable(f"sigma_{L}", first)

    def elementwise(function: Any, rho: Array) -> Array:
        return np.asarray(np.frompyfunc(function, 1, 1)(rho))

    class Unknown:
        function, prime, double_prime = named, first, second

        def sigma(self, rho: Array) -> Array:
            return elementwise(named, rho)

        def slope(self, rho: Array, phi: Array) -> Array:
            del phi
            return elementwise(first, rho)

        def sigma_double_prime(self, rho: Array) -> Array:
            return elementwise(second, rho)

    return Unknown()

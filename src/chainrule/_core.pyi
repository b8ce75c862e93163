from collections.abc import Sequence
from typing import Any

from chainrule.numerics import Array

class Network:
    def __init__(
        self,
        layers: Sequence[tuple[int, int, str, float]],
        loss: str,
        parameter: float,
        bias: bool,
    ) -> None: ...
    def predict_few(self, parameters: Array, X: Array) -> Array | None: ...

class Trainer:
    def __init__(
        self,
        network: Network,
        parameters: Array,
        optimizer: str,
        numbers: dict[str, float],
        l2: float,
        l1: float,
        dropout: float,
        gradient_clip: float,
        per_sample: bool,
        X: Any,
        Y: Any,
        weight: Any,
    ) -> None: ...
    def read_parameters(self) -> None: ...
    def write_state(self, slot: int, to: Array) -> None: ...
    def read_state(self, slot: int, given: Array) -> None: ...

def instruction_set() -> str: ...
def evaluate(
    network: Network,
    parameters: Array,
    X: Any,
    Y: Any = None,
    weight: Any = None,
    threads: int = 1,
    outputs: Array | None = None,
    by_parameters: Array | None = None,
    by_inputs: Array | None = None,
    jacobian: Array | None = None,
) -> float: ...
def normal_equations(
    network: Network,
    parameters: Array,
    X: Any,
    Y: Any,
    weight: Any,
    threads: int,
    by_parameters: Array,
    matrix: Array,
) -> float: ...
def curvature_product(
    network: Network,
    parameters: Array,
    vector: Array,
    X: Any,
    Y: Any,
    weight: Any,
    threads: int,
    product: Array,
) -> None: ...
def train(
    jobs: Sequence[tuple[Trainer, int, int, int, bool, int, Array]], threads: int
) -> list[tuple[float, float]]: ...
def shuffle(order: Array, seed: int, epoch: int) -> None: ...
def encode_columns(
    columns: Sequence[
        tuple[Array, float, float, float, float, float, Sequence[float], float, int, int, int]
    ],
    to: Array,
    threads: int,
) -> None: ...

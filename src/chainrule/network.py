"""`Network`: an architecture with its parameters, and the methods that hand on downwards."""

from __future__ import annotations

import copy
import functools
import os
from collections.abc import Sequence
from numbers import Real
from typing import Any, NamedTuple

import numpy as np

from chainrule import arraylike, batches, engines, files, training
from chainrule import callbacks as _callbacks
from chainrule.activations import Activation
from chainrule.architecture import Architecture, build
from chainrule.engines import Data
from chainrule.errors import DivergenceError, InputError
from chainrule.history import History
from chainrule.initializers import Initializer
from chainrule.losses import Loss
from chainrule.numerics import Array
from chainrule.optimizers import FullBatch, Optimizer
from chainrule.parameters import ParameterList
from chainrule.schedules import Schedule


class Gradients(NamedTuple):
    """C and its derivatives, in the network's dtype."""

    loss: float
    weights: list[Array]
    """dC/dW of each layer, of the shapes of `Network.weights`."""
    biases: list[Array | None]
    """dC/dB of each layer; None where the network has no biases."""
    inputs: Array
    """dC/dX, of the shape of X."""


class Network:
    """A feed-forward network: each layer is activation(weights @ previous layer + biases).

    Parameters
    ----------
    layer_sizes : sequence of int
        n_0, n_1, ..., n_l: inputs, hidden layers, outputs.
    activation : str, Activation, or one of these per hidden layer, default "relu"
        The activation of the hidden layers (`chainrule.activations`).
    output_activation : str or Activation, default "identity"
        The activation of the output layer.
    loss : str or Loss, default "squared_error"
        What training minimises (`chainrule.losses`): by default
        ``C = 1/(2n) sum_i |phi^l(x_i) - y_i|^2``.
    weight_init : str or callable, default "auto"
        ``"he"``, ``"glorot"``, ``"lecun"``, ``"normal"``; ``"auto"`` chooses one for each
        layer by its activation; a callable takes a NumPy generator and the shape
        (n_out, n_in). Biases start at zero.
    bias : bool, default True
        Whether layers have biases.
    dtype : {"float32", "float64"}, default "float32"
        The type of parameters, outputs and arithmetic.
    seed : int or None, default 0
        Draws the initial weights, and is the default seed of `fit`. None takes one from the
        operating system; ``seed`` then tells which.

    Raises
    ------
    InputError
        Saying which argument is wrong, what was wanted and what to do.

    Examples
    --------
    >>> import numpy as np
    >>> import chainrule as cr
    >>> net = cr.Network([2, 8, 1], activation="tanh")
    >>> X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
    >>> history = net.fit(X, X[:, 0] ^ X[:, 1], learning_rate=0.05, epochs=300, batch_size=4)
    >>> net.predict(X).round().ravel().astype(int).tolist()
    [0, 1, 1, 0]
    """

    def __init__(
        self,
        layer_sizes: Sequence[int],
        activation: str | Activation | Sequence[str | Activation] = "relu",
        output_activation: str | Activation = "identity",
        loss: str | Loss = "squared_error",
        weight_init: str | Initializer = "auto",
        bias: bool = True,
        dtype: Any = "float32",
        seed: int | None = 0,
    ) -> None:
        architecture = build(layer_sizes, activation, output_activation, loss, bias, dtype)
        if seed is None:
            seed = int(np.random.SeedSequence().generate_state(1)[0])
        seed = training.whole_number("seed", seed, low=0)
        rng = np.random.default_rng(seed)
        parameters = architecture.initial_parameters(weight_init, rng)
        self._set_up(architecture, parameters, {"seed": seed})

    @functools.cached_property
    def _predict_few(self) -> engines.PredictFew | None:
        # A shortcut for a few rows, where most of the time would go into looking at X.
        return engines.few_rows(self.architecture)

    def __getstate__(self) -> dict[str, Any]:
        # without the shortcut, which cannot be pickled and is made again
        return {name: value for name, value in self.__dict__.items() if name != "_predict_few"}

    def _set_up(
        self,
        architecture: Architecture,
        parameters: Array,
        extra: dict[str, Any],
    ) -> None:
        self.architecture = architecture
        self.parameters = parameters
        self.seed = int(extra.get("seed", 0))
        names = extra.get("feature_names")
        self.feature_names = tuple(names) if names else None
        """The columns of the data frame that `fit` was given, None if it was an array."""
        self.extra = extra
        """What else its file held, such as the preprocessing of a table; saved again."""
        self.history: History | None = None
        """Of its last training in this process, None before; `chainrule.diagnose` reads it."""
        self._loss_checked = not architecture.loss.own
        architecture.check_own_activations()

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """n_0, n_1, ..., n_l."""
        return self.architecture.layer_sizes

    @property
    def n_parameters(self) -> int:
        """The number of weights and biases."""
        return self.architecture.n_parameters

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the parameters."""
        return self.parameters.dtype

    @property
    def weights(self) -> ParameterList:
        """The weights of each layer, of shape (n_L, n_(L-1)); views that can be assigned to."""
        return ParameterList(self.architecture.views(self.parameters)[0], "weights")

    @weights.setter
    def weights(self, values: Sequence[Any]) -> None:
        self.weights.assign(values)

    @property
    def biases(self) -> ParameterList:
        """The biases of each layer, of shape (n_L,); None for each with ``bias=False``."""
        return ParameterList(self.architecture.views(self.parameters)[1], "biases")

    @biases.setter
    def biases(self, values: Sequence[Any]) -> None:
        self.biases.assign(values)

    def predict(self, X: Any) -> Array:
        """Return the outputs.

        Up to four rows of a plain array are computed in another way, so that their last bits may
        differ from those of the same rows in a larger X.

        Parameters
        ----------
        X : array, data frame or CSR matrix of shape (n, n_0)
            The samples, a row each.

        Returns
        -------
        array of shape (n, n_l)
            In the network's dtype.

        Raises
        ------
        InputError
            If X has another number of columns, or something that is not a finite number.
        """
        if type(X) is np.ndarray and (few := self._predict_few):
            outputs = few(self.parameters, X)
            if outputs is not None:
                return outputs
        return self._engine.predict(self.architecture, self.parameters, self._inputs(X))

    def loss_value(
        self,
        X: Any,
        Y: Any,
        sample_weight: Any = None,
        *,
        dY: Any = None,
        dY_weight: float = 1.0,
    ) -> float:
        """Return C, the loss summed over the outputs and averaged over the samples.

        Parameters
        ----------
        X : array, data frame or CSR matrix of shape (n, n_0)
            The samples.
        Y : array of shape (n, n_targets)
            The targets; one dimension is one column, or for cross-entropy class numbers.
        sample_weight : array of shape (n,), optional
            Makes the average a weighted one.
        dY : array of shape (n, n_l, n_0), optional
            Derivatives of the outputs by the inputs, as for `fit`; their part D is added.
        dY_weight : float, default 1.0
            What they count.

        Raises
        ------
        InputError
            If the arrays do not fit the network or each other.
        """
        data = self._data(X, Y, sample_weight, dY=dY, dY_weight=dY_weight)
        return self._engine_for(data).loss(self.architecture, self.parameters, data)

    def gradients(
        self,
        X: Any,
        Y: Any,
        sample_weight: Any = None,
        *,
        dY: Any = None,
        dY_weight: float = 1.0,
    ) -> Gradients:
        """Return C and its derivatives by weights, biases and inputs.

        Parameters
        ----------
        X, Y, sample_weight, dY, dY_weight
            As for `loss_value`.

        Returns
        -------
        Gradients
            ``loss``, ``weights``, ``biases``, ``inputs``: equations B1, B2 and B3; with dY, D1, D2
            and D3.

        Raises
        ------
        InputError
            If the arrays do not fit the network or each other.
        """
        data = self._data(X, Y, sample_weight, dY=dY, dY_weight=dY_weight)
        found = self._engine_for(data).gradients(self.architecture, self.parameters, data)
        weights, biases = self.architecture.views(found.parameters)
        assert found.inputs is not None
        return Gradients(found.loss, weights, biases, found.inputs)

    def jacobian(self, X: Any) -> Array:
        """Return the derivatives of the outputs by the inputs.

        Parameters
        ----------
        X : array, data frame or CSR matrix of shape (n, n_0)
            The samples.

        Returns
        -------
        array of shape (n, n_l, n_0)
            One backward pass for each output.

        Raises
        ------
        InputError
            As for `predict`.
        """
        return self._engine.jacobian(self.architecture, self.parameters, self._inputs(X))

    def fit(
        self,
        X: Any,
        Y: Any,
        optimizer: str | Optimizer | FullBatch = "adam",
        learning_rate: float = 1e-3,
        epochs: int = 10,
        batch_size: int = 32,
        validation_data: Any = None,
        sample_weight: Any = None,
        shuffle: bool = True,
        l2: float = 0.0,
        l1: float = 0.0,
        dropout: float = 0.0,
        gradient_clip: float | None = None,
        schedule: str | Schedule | None = None,
        early_stopping: bool | int | _callbacks.EarlyStopping | None = None,
        callbacks: Any = (),
        verbose: int = 0,
        engine: str = "auto",
        n_threads: int | None = None,
        seed: int | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        *,
        dY: Any = None,
        dY_weight: float = 1.0,
    ) -> History:
        """Train the network, going on from its present weights.

        Parameters
        ----------
        X : array, data frame or CSR matrix of shape (n, n_0)
            The samples; any numeric type, converted batch by batch.
        Y : array of shape (n, n_targets)
            The targets; one dimension is one column, or for cross-entropy class numbers.
        optimizer : str, Optimizer or FullBatch, default "adam"
            See `chainrule.optimizers`; ``"lbfgs"`` (or ``LBFGS(...)`` with other tolerances) and
            ``"lm"`` (Levenberg-Marquardt, for squared errors and up to some thousand parameters)
            see all data in each epoch.
        learning_rate : float, default 1e-3
            Unless the optimizer has one of its own.
        epochs : int, default 10
            How many times all samples are visited.
        batch_size : int, default 32
            Samples in a step; all of them where there are fewer.
        validation_data : (X, Y), (X, Y, sample_weight) or float, optional
            Not trained on, only watched. A fraction holds out the last samples of a shuffle. With
            derivatives too, (X, Y, sample_weight, dY).
        sample_weight : array of shape (n,), optional
            Weights of the samples in C.
        shuffle : bool, default True
            Whether each epoch visits the samples in a new order.
        l2, l1 : float, default 0.0
            Adds l2/2 times the squared and l1 times the absolute weights to C; not the biases.
        dropout : float, default 0.0
            The probability with which an output of a hidden layer is set to zero in a step.
        gradient_clip : float, optional
            The largest Euclidean norm of the whole gradient.
        schedule : str or Schedule, optional
            Multiplies the learning rate (`chainrule.schedules`).
        early_stopping : bool, int or EarlyStopping, optional
            Ends training when the validation loss (without validation data the training
            loss) has not fallen for this many epochs in a row, True for 10, and restores the
            weights of the best epoch.
        callbacks : sequence of Callback or functions, default ()
            Told of each epoch (`chainrule.Callback`); a function takes a `Progress`.
        verbose : int, default 0
            1 prints about twenty lines, 2 one for each epoch.
        engine : {"auto", "numpy", "native"}, default "auto"
            What computes. The history says which one did, and why.
        n_threads : int, optional
            The most threads to use; by default, and at most, what the process may use.
        seed : int, optional
            Of shuffling and dropout; by default the seed of the network.
        checkpoint : str or path, optional
            A file to which everything needed to continue is written, at most once a second
            and at the end.
        resume : bool, default False
            Whether to go on from the checkpoint if it exists: bit for bit as if never stopped.
        dY : array of shape (n, n_l, n_0), optional
            The derivatives of each target by each input, where they are known: NaN where not. For
            one output, (n, n_0) will do. What is minimised is C + D,
            ``D = dY_weight/(2n) sum_i |d phi^l/dx (x_i) - dY_i|^2``; the loss is
            ``"squared_error"`` then, and the NumPy engine computes.
        dY_weight : float, default 1.0
            What the derivatives' squared errors count beside those of the targets.

        Returns
        -------
        History
            ``loss``, ``val_loss``, ``engine``, ``seconds``, ``to_frame()``, ``plot()``, ...

        Raises
        ------
        InputError
            If an argument is wrong; the network is unchanged.
        DivergenceError
            If the loss became infinite or NaN; the network has its best weights so far.

        Warns
        -----
        UserWarning
            On Ctrl-C, which ends training and keeps the best weights so far.
        """
        data, names = self._to_train_on(X, Y, sample_weight, dY, dY_weight)
        task = self._task(
            data,
            names,
            optimizer=optimizer,
            learning_rate=learning_rate,
            epochs=epochs,
            batch_size=batch_size,
            validation_data=validation_data,
            shuffle=shuffle,
            l2=l2,
            l1=l1,
            dropout=dropout,
            gradient_clip=gradient_clip,
            schedule=schedule,
            early_stopping=early_stopping,
            callbacks=callbacks,
            verbose=verbose,
            engine=engine,
            n_threads=n_threads,
            seed=seed,
            checkpoint=checkpoint,
            resume=resume,
        )
        try:
            self.history = training.fit(task)
        except DivergenceError as error:
            self.history = error.history
            raise
        return self.history

    def _to_train_on(
        self, X: Any, Y: Any, sample_weight: Any, dY: Any = None, dY_weight: Any = 1.0
    ) -> tuple[Data, tuple[str, ...] | None]:
        """Return checked samples and the names of their columns."""
        names = self.feature_names or arraylike.column_names(X)
        data = self._data(X, Y, sample_weight, dY=dY, dY_weight=dY_weight)
        batches.require_targets_in_range(data.Y, self.architecture)
        kinked = [a.name for a in self.architecture.activations if a.kinks]
        if data.dY is not None and kinked:
            training.warn(
                f"derivatives (dY) are fitted through {kinked[0]}, whose own derivative jumps, so "
                "that the derivatives of the network do: tanh, silu or softplus have smooth ones"
            )
        return data, names

    def _task(
        self,
        data: Data,
        names: tuple[str, ...] | None,
        *,
        validation_data: Any = None,
        early_stopping: Any = None,
        callbacks: Any = (),
        verbose: Any = 0,
        engine: str = "auto",
        seed: Any = None,
        checkpoint: str | os.PathLike[str] | None = None,
        resume: bool = False,
        **settings: Any,
    ) -> training.Task:
        """Return what `fit` is asked to do, checked."""
        if resume and checkpoint is None:
            raise InputError("resume=True needs the file to go on from: pass checkpoint=...")
        if not np.isfinite(self.parameters).all():
            raise InputError(
                "the network has weights that are not finite, from which training cannot go on: "
                "make a new network, or load one"
            )
        seed = self.seed if seed is None else seed
        checked = training.check(**settings, seed=seed, n_samples=len(data))
        data, validation = self._split(data, validation_data, checked.seed, names)
        told = _callbacks.get(callbacks)
        if training.whole_number("verbose", verbose, low=0):
            told.append(_callbacks.PrintProgress(every=1 if verbose > 1 else None))
        # Before training, so that what a callback saves knows its columns.
        self.feature_names = names
        return training.Task(
            self.architecture,
            self.parameters,
            data,
            checked,
            validation=validation,
            early_stopping=_callbacks.early_stopping(early_stopping),
            callbacks=told,
            engine=engine,
            checkpoint=checkpoint,
            resume=resume,
        )

    @classmethod
    def of(
        cls,
        architecture: Architecture,
        parameters: Array,
        extra: dict[str, Any] | None = None,
    ) -> Network:
        """Return a network of these parameters, which it keeps and changes when it trains."""
        net = cls.__new__(cls)
        net._set_up(architecture, parameters, extra or {})
        return net

    def copy(self) -> Network:
        """Return a network with the same architecture and a copy of the parameters."""
        twin = Network.of(
            self.architecture, self.parameters.copy(), copy.deepcopy(self._everything_else())
        )
        twin.history = copy.deepcopy(self.history)
        return twin

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a safetensors file, whole or not at all.

        Its keys are those of a ``torch.nn.Sequential`` of the same layers.

        Parameters
        ----------
        path : str or path
            The file; replaced if it exists.

        Raises
        ------
        InputError
            If it cannot be written; what was there before is unchanged.
        """
        files.save(path, self.architecture, self.parameters, self._everything_else())

    def to_torch(self) -> Any:
        """Return a ``torch.nn.Sequential`` with a copy of the parameters.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        InputError
            If the network has an activation of your own.
        """
        from chainrule.interchange import torch

        return torch.write(self.architecture, self.parameters)

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write an ONNX model with the input ``X`` (n, n_0) and the output ``Y`` (n, n_l).

        Parameters
        ----------
        path : str or path
            The file, by convention with the ending ``.onnx``; replaced if it exists.

        Raises
        ------
        MissingExtraError
            If onnx is not installed: ``pip install 'chainrule[onnx]'``.
        InputError
            If the network has an activation of your own, or the file cannot be written.
        """
        from chainrule.interchange import onnx

        onnx.write(path, self.architecture, self.parameters)

    def to_c(self, path: str | os.PathLike[str]) -> None:
        """Write a C99 file that predicts one sample, and its header beside it.

        ``model.c`` and ``model.h`` define ``void model_predict(const float x[], float y[])``
        (double for float64): no dependency but the mathematics library, no allocation.

        Parameters
        ----------
        path : str or path
            The source file; its name becomes that of the function.

        Raises
        ------
        InputError
            If the name is not one of a C function, the network has an activation of your own,
            or a file cannot be written.
        """
        from chainrule.interchange import c

        c.write(path, self.architecture, self.parameters)

    def _everything_else(self) -> dict[str, Any]:
        return {**self.extra, "seed": self.seed, "feature_names": self.feature_names}

    def summary(self) -> str:
        """Return a table of the layers.

        Examples
        --------
        >>> import chainrule as cr
        >>> print(cr.Network([4, 3, 2], output_activation="softmax", loss="cross_entropy"))
        layer  units  activation      weights  biases
            0      4  (input)
            1      3  relu              3 x 4       3
            2      2  softmax           2 x 3       2
        23 parameters, float32, loss cross_entropy
        """
        return self.architecture.summary()

    def __str__(self) -> str:
        return self.summary()

    def __repr__(self) -> str:
        a = self.architecture
        names = ", ".join(activation.name for activation in a.activations)
        return f"<Network {'-'.join(map(str, a.layer_sizes))} ({names}), loss {a.loss.name}>"

    def _repr_html_(self) -> str:
        from chainrule.notebook import drawing, html

        a = self.architecture
        names = [activation.name for activation in a.activations]
        return html.block(
            drawing.network(a.layer_sizes, names, self.weights, self.feature_names or ()),
            html.preformatted(self.summary()),
        )

    @property
    def _engine(self) -> engines.Engine[Any]:
        return engines.choose("auto", self.architecture)[0]

    def _engine_for(self, data: Data) -> engines.Engine[Any]:
        return engines.choose("auto", self.architecture, data=data)[0]

    def _inputs(self, X: Any) -> Any:
        a = self.architecture
        return batches.inputs(X, a.n_inputs, self.feature_names, a.dtype)

    def _split(
        self, data: Data, validation: Any, seed: int, names: tuple[str, ...] | None
    ) -> tuple[Data, Data | None]:
        """Return the samples to train on and those to watch."""
        if validation is None:
            return data, None
        if isinstance(validation, Real) and not isinstance(validation, bool):
            return batches.hold_out(data, float(validation), seed)
        if not (isinstance(validation, tuple | list) and len(validation) in (2, 3, 4)):
            raise InputError(
                "validation_data must be (X, Y), (X, Y, sample_weight), (X, Y, sample_weight, dY) "
                f"or a fraction such as 0.1, but is a {type(validation).__name__}"
            )
        try:
            X, Y, weight, dY = (*validation, None, None)[:4]
            watched = self._data(X, Y, weight, names, dY=dY, dY_weight=data.dY_weight)
            batches.require_targets_in_range(watched.Y, self.architecture)
            return data, watched
        except InputError as error:
            raise InputError(f"validation_data: {error}") from None

    def _data(
        self,
        X: Any,
        Y: Any,
        sample_weight: Any = None,
        names: tuple[str, ...] | None = None,
        *,
        dY: Any = None,
        dY_weight: Any = 1.0,
    ) -> Data:
        names = names or self.feature_names
        data = batches.data(self.architecture, X, Y, sample_weight, names, dY, dY_weight)
        if not self._loss_checked:
            few = data.rows(slice(8))
            outputs = self._engine.predict(self.architecture, self.parameters, few.X)
            self.architecture.check_own_loss(outputs, few.Y)
            self._loss_checked = True
        return data

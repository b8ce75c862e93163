"""What a network can do with other people's formats: the methods ``to_...``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chainrule.architecture import Architecture
    from chainrule.interchange.models import Model
    from chainrule.interchange.verifying import Verification
    from chainrule.numerics import Array


class Exportable:
    """Base of `Network`: each method hands on to the writer of its format."""

    architecture: Architecture
    parameters: Array
    feature_names: tuple[str, ...] | None

    def to_torch(self) -> Any:
        """Return a ``torch.nn.Sequential`` with a copy of the parameters.

        Raises
        ------
        MissingExtraError
            If PyTorch is not installed.
        InputError
            If the network has an activation of your own, or weights that are not finite.
        VerificationError
            If the module predicts something else.
        """
        from chainrule.interchange.torch import writing

        return writing.module(self._model)

    def to_sklearn(self) -> Any:
        """Return a fitted MLPClassifier or MLPRegressor of scikit-learn.

        The classes are 0, 1, ...: of a softmax all of its outputs, of a single sigmoid two.

        Raises
        ------
        InputError
            If scikit-learn cannot express the network, or it has weights that are not finite.
        VerificationError
            If the estimator predicts something else.
        """
        from chainrule.interchange import sklearn

        return sklearn.estimator(self._model, self.feature_names)[0]

    def to_onnx(self, path: str | os.PathLike[str]) -> Verification:
        """Write an ONNX model with the input ``X`` (n, n_0) and the output ``Y`` (n, n_l).

        Parameters
        ----------
        path : str or path
            The file, by convention with the ending ``.onnx``; replaced if it exists.

        Returns
        -------
        Verification
            How far ONNX Runtime's predictions are from ours.

        Raises
        ------
        MissingExtraError
            If onnx is not installed: ``pip install 'chainrule[onnx]'``.
        InputError
            If the network has an activation of your own or weights that are not finite, or the
            file cannot be written.
        VerificationError
            If ONNX Runtime predicts something else; nothing is written.

        Warns
        -----
        UserWarning
            If ONNX Runtime is not installed, so that nothing was compared.
        """
        from chainrule.interchange.onnx import writing

        return writing.write(path, self._model).told()

    def to_c(self, path: str | os.PathLike[str], int8: bool = False) -> Verification:
        """Write a C99 file that predicts one sample, and beside it its header and a test.

        ``model.c`` and ``model.h`` define ``void model_predict(const float x[], float y[])``
        (double for float64): no dependency but the mathematics library, static memory only.
        ``model_test.c`` is a program that compares a few predictions with ours.

        Parameters
        ----------
        path : str or path
            The source file; its name becomes that of the function.
        int8 : bool, default False
            Whether weights are rounded to 8 bits, with a scale for each row: a quarter of the
            memory of float32. What that costs is part of the result.

        Returns
        -------
        Verification
            How far the compiled code's predictions are from ours.

        Raises
        ------
        InputError
            If the name is not one of a C function, the network has an activation of your own or
            weights that are not finite, or a file cannot be written.
        VerificationError
            If the compiled code predicts something else; nothing is written.

        Warns
        -----
        UserWarning
            If there is no C compiler, so that nothing was compared.
        """
        from chainrule.interchange.c import writing

        return writing.write(path, self._model, int8).told()

    def to_python(self, path: str | os.PathLike[str]) -> Verification:
        """Write one Python file with ``predict(X)`` that needs NumPy and nothing else.

        Parameters
        ----------
        path : str or path
            The file, by convention with the ending ``.py``; replaced if it exists.

        Returns
        -------
        Verification
            How far its predictions are from ours.

        Raises
        ------
        InputError
            If the network has an activation of your own or weights that are not finite, or the
            file cannot be written.
        VerificationError
            If the file predicts something else; it is not left behind.
        """
        from chainrule.interchange.python import writing

        return writing.write(path, self._model)

    @property
    def _model(self) -> Model:
        from chainrule.interchange.models import Model

        return Model(self.architecture, self.parameters)

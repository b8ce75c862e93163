"""Estimators for scikit-learn."""

from chainrule.estimators.perceptrons import MLPClassifier, MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]

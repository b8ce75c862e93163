"""Which inputs a prediction rests on: SHAP values of a regressor.

The values of the inputs of one sample add up to its prediction minus the mean prediction. Here
`shap.KernelExplainer` finds them, which only calls ``predict``; their averages rank the inputs.

Needs SHAP: ``pip install chainrule shap``. Takes some seconds.
"""

from __future__ import annotations

import numpy as np
import shap
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import chainrule as cr

data = load_diabetes()
X_train, X_test, y_train, y_test = train_test_split(
    scale(data.data), scale(data.target), random_state=0
)

if __name__ == "__main__":
    model = cr.MLPRegressor(
        hidden_layer_sizes=(32,), alpha=10, learning_rate_init=0.01, random_state=0
    ).fit(X_train, y_train)
    print(f"R^2 on the test samples: {model.score(X_test, y_test):.2f}")

    background = shap.sample(X_train, 50, random_state=0)
    explainer = shap.KernelExplainer(model.predict, background)
    values = explainer.shap_values(X_test[:40], silent=True)

    missing = model.predict(X_test[:40]) - explainer.expected_value - values.sum(axis=1)
    print(f"the values add up to the predictions, up to {np.abs(missing).max():.0e}")
    importance = np.abs(values).mean(axis=0)
    for i in importance.argsort()[::-1][:5]:
        print(f"{data.feature_names[i]:>4}  {importance[i]:.3f}")

"""Logistic regression, learnt online: River's `linear_model.LogisticRegression` with its SGD, on arrays."""

import math

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.float64]
"""The features of one sample, shape (D,)."""


class OnlineLogistic:
    """p = sigmoid(w·x + b); a label y moves w by -rate · (g · x + l2 · w) and b by -intercept_rate · g, where
    g = weight · (p - y).

    The same steps as River's, which keeps the weights in a dictionary and needs some fifty times as long for a vector
    of 384 features. The bits depend on nothing but the labels and their order.
    """

    def __init__(self, rate: float, l2: float, intercept_rate: float) -> None:
        self._rate = rate
        self._intercept_rate = intercept_rate
        self._l2 = l2
        self.weights: Features = np.zeros(0)
        self.intercept = 0.0

    def grow(self, features: int) -> None:
        """Have weights for so many features at least; new ones begin at 0."""
        if features > len(self.weights):
            self.weights = np.concatenate([self.weights, np.zeros(features - len(self.weights))])

    def predict(self, features: Features) -> float:
        """Return the probability of label 1 in [0, 1] for as many features as there are weights."""
        return sigmoid(float(np.vecdot(self.weights, features)) + self.intercept)

    def learn(self, features: Features, label: bool, weight: float = 1.0) -> None:
        """Take one step towards `label`; `weight` scales the step, 0 leaves only the decay."""
        gradient = weight * (self.predict(features) - label)
        self.intercept -= self._intercept_rate * gradient
        self.weights -= self._rate * (gradient * features + self._l2 * self.weights)


def sigmoid(logit: float) -> float:
    """Return 1 / (1 + exp(-logit)), without overflow."""
    if logit >= 0.0:
        return 1.0 / (1.0 + math.exp(-logit))
    power = math.exp(logit)
    return power / (1.0 + power)

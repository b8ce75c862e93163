// The numbers of an optimizer's rule and of its steps, as the Python package hands them over.
#pragma once

#include <cmath>
#include <limits>

#include "trainer.hpp"

namespace chainrule::test {

constexpr int n_optimizers = 10;
inline const char* const optimizer_names[n_optimizers] = {
    "gradient_descent", "momentum", "nesterov", "rmsprop", "adagrad",
    "adam", "adamw", "nadam", "lion", "rprop"};

struct Rule {
    double momentum = 0.9, beta1 = 0.85, beta2 = 0.97, epsilon = 1e-8, momentum_decay = 4e-3;
    double weight_decay = 0.05, grow = 1.2, shrink = 0.5, smallest = 1e-6, largest = 0.02;

    template <class T>
    Update<T> update(Optimizer kind) const {
        Update<T> u{};
        u.kind = kind, u.momentum = T(momentum), u.weight_decay = T(weight_decay);
        u.beta1 = T(beta1), u.rest1 = T(1 - beta1), u.beta2 = T(beta2), u.rest2 = T(1 - beta2);
        u.epsilon = std::max(T(epsilon), std::numeric_limits<T>::min());
        u.grow = T(grow), u.shrink = T(shrink), u.smallest = T(smallest), u.largest = T(largest);
        u.scale = 1;
        return u;
    }
    long double mu(int t) const {  // of nadam
        return beta1 * (1 - 0.5L * std::pow(0.96L, t * (long double)momentum_decay));
    }
    // Of step t = 1, 2, ...; `product` is mu(1) ... mu(t - 1), and goes on to the next step.
    StepNumbers step(Optimizer kind, double eta, int t, long double& product) const {
        const long double rest1 = 1 - std::pow((long double)beta1, t);
        const long double rest2 = 1 - std::pow((long double)beta2, t);
        product *= mu(t);
        if (kind == Optimizer::nadam)
            return {eta, double(eta * mu(t + 1) / (1 - product * mu(t + 1))),
                    double(eta * (1 - mu(t)) / (1 - product)), double(1 / std::sqrt(rest2))};
        return {eta, double(eta / rest1), 0, double(1 / std::sqrt(rest2))};
    }
};

}  // namespace chainrule::test

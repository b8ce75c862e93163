// The activations, each function beside its derivative, on rows of vectors.
//
// As in chainrule/activations.py: a NaN comes through every function, and at a kink the slope is
// that of the left side.
#pragma once

#include "math.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T>
struct Point {
    Vec<T> value, slope;  // phi = sigma(rho) and sigma'(rho)
};

// An activation whose slope follows from its value.
template <class Value, class Slope>
struct ByOutput {
    Value value;
    Slope slope;

    template <class V>
    CHAINRULE_INLINE auto operator()(V x) const {
        const V y = value(x);
        return Point<std::decay_t<decltype(x[0])>>{y, slope(y)};
    }
};
template <class Value, class Slope>
ByOutput(Value, Slope) -> ByOutput<Value, Slope>;
template <class Sigma>
constexpr bool by_output = false;
template <class Value, class Slope>
constexpr bool by_output<ByOutput<Value, Slope>> = true;

// exp(x), beyond `limit` continued by its tangent, so that it stays finite.
template <class T>
CHAINRULE_INLINE Point<T> exponential(Vec<T> x, T limit = 64) {
    const Vec<T> slope = exp<T>(at_most<T>(limit, x));
    return {slope * (T(1) + at_least<T>(T(0), x - limit)), slope};
}

// Calls `use` with the activation, a function from rho to a Point, so that a loop over it is
// compiled for each of them. Value and slope share their work; where no slope is asked for, the
// compiler leaves its part out. Softmax is not elementwise and left out.
template <class T, class Use>
void with_activation(const ActivationSpec& spec, Use use) {
    using V = Vec<T>;
    using P = Point<T>;
    const V one = broadcast(T(1)), zero = {};
    const T a = T(spec.parameter);
    // scale x for a positive x, and scale alpha (exp(x / width) - 1)
    const auto elu = [=](T alpha, T width, T scale) {
        return [=](V x) -> P {
            const auto [power, rest] = exp_terms<T>(at_most<T>(T(0), x) / width);
            const V left = alpha * (rest + (power - T(1)));
            const V slope = (scale * alpha / width) * (rest + power);
            return {scale * (at_least<T>(T(0), x) + left),
                    select<T>(x > T(0), broadcast(scale), slope)};
        };
    };
    switch (spec.kind) {
        case Activation::identity: return use([=](V x) -> P { return {x, one}; });
        case Activation::sigmoid:
            return use(ByOutput{[](V x) { return sigmoid<T>(x); },
                                [](V y) { return y * (T(1) - y); }});
        case Activation::tanh:
            return use(ByOutput{[](V x) { return tanh<T>(x); }, [](V y) { return T(1) - y * y; }});
        case Activation::relu:
            return use(ByOutput{[](V x) { return at_least<T>(T(0), x); },
                                [=](V y) { return zeroed_where_not<T>(y > T(0), one); }});
        case Activation::leaky_relu:
            return use([=](V x) -> P {
                const IntVec<T> right = x > T(0);
                return {select<T>(right, x, a * x), select<T>(right, one, broadcast(a))};
            });
        case Activation::elu: return use(elu(a, 1, 1));
        case Activation::celu: return use(elu(a, a, 1));
        case Activation::selu:  // Klambauer et al. 2017, arXiv:1706.02515, section 2
            return use(elu(T(1.6732632423543772848), 1, T(1.0507009873554804934)));
        case Activation::gelu:
            return use([](V x) -> P {
                const auto [cdf, density] = normal<T>(x);
                return {x * cdf, cdf + x * density};
            });
        case Activation::silu:
            return use([](V x) -> P {
                const V s = sigmoid<T>(x);
                return {x * s, s * (T(1) + x * (T(1) - s))};
            });
        case Activation::mish:
            return use([](V x) -> P {
                // tanh(log(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2) for e = exp(x); for a positive
                // x both are multiplied by z^2 = exp(-2 x).
                const V z = exp<T>(-magnitude<T>(x));
                const IntVec<T> left = x < T(0);
                const V upper = select<T>(left, z * (z + T(2)), T(1) + T(2) * z);
                const V t = upper / (upper + select<T>(left, broadcast(T(2)), T(2) * z * z));
                return {x * t, t + x * (T(1) - t * t) * sigmoid<T>(x, z)};
            });
        case Activation::softplus:
            return use([](V x) -> P {
                const V z = exp<T>(-magnitude<T>(x));
                return {softplus<T>(x, z), sigmoid<T>(x, z)};
            });
        case Activation::softsign:
            return use([](V x) -> P {
                const V d = T(1) + magnitude<T>(x), inverse = T(1) / d;
                return {x / d, inverse * inverse};
            });
        case Activation::hard_tanh:
            return use([=](V x) -> P {
                return {clamp<T>(x, -1, 1), select<T>(magnitude<T>(x) < T(1), one, zero)};
            });
        case Activation::sin: return use([](V x) -> P { return {sin<T>(x), cos<T>(x)}; });
        case Activation::gaussian:
            return use([](V x) -> P {
                const V y = exp<T>(-x * x);
                return {y, T(-2) * x * y};
            });
        case Activation::exponential: return use([](V x) { return exponential<T>(x); });
        case Activation::softmax: return;
    }
}

// Calls step(offset) for so many vectors of each row of a panel.
template <class T, class Step>
CHAINRULE_INLINE void for_vectors(long rows, int vectors, Step step) {
    for (long i = 0; i < rows * panel<T>; i += panel<T>)
        for (int v = 0; v < vectors; v++) step(i + v * lanes<T>);
}

// rho -> phi in place; sigma'(rho) goes to the same offsets of `slopes`, unless that is null.
template <class T>
void activate(const ActivationSpec& spec, T* values, T* slopes, long rows, int vectors) {
    with_activation<T>(spec, [=](auto sigma) {
        const auto each = [=](auto with_slopes) {
            for_vectors<T>(rows, vectors, [=](long i) {
                const auto [value, slope] = sigma(load(values + i));
                store<T>(values + i, value);
                if constexpr (with_slopes) store<T>(slopes + i, slope);
            });
        };
        slopes ? each(std::true_type{}) : each(std::false_type{});
    });
}

// omega -> lambda = omega sigma'(rho) in place, from phi where the slope follows from that.
template <class T>
void multiply_by_slope(const ActivationSpec& spec, T* omega, const T* phi, long rows,
                       int vectors) {
    with_activation<T>(spec, [=](auto sigma) {
        if constexpr (by_output<decltype(sigma)>)
            for_vectors<T>(rows, vectors, [=](long i) {
                store<T>(omega + i, load(omega + i) * sigma.slope(load(phi + i)));
            });
    });
}

}  // namespace chainrule::CHAINRULE_ISA

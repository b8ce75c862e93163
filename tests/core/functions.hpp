// The functions of src/core/math.hpp: what they should be, and how far from that they may be.
#pragma once

#include "rounded.hpp"

namespace chainrule::test {

// Their largest errors in units in the last place, as they stand in math.hpp.
struct Function {
    const char* name;
    double ulps_float, ulps_double;
    long double (*exact)(long double);

    template <class T>
    double ulps() const {
        return sizeof(T) == 4 ? ulps_float : ulps_double;
    }
    template <class T>
    Rounded<T> operator()(Rounded<T> x) const {
        return apply(exact, x, ulps<T>());
    }
};

namespace exact {

inline long double sigmoid(long double x) {
    const long double z = std::exp(-std::fabs(x));
    return x < 0 ? z / (1 + z) : 1 / (1 + z);
}
inline long double softplus(long double x) {
    return std::log1p(std::exp(-std::fabs(x))) + (x < 0 ? 0 : x);
}
// erfc(-x / sqrt(2)) / 2. Far left, what -x / sqrt(2) loses by rounding counts: the derivative
// makes up for it.
inline long double normal_cdf(long double x) {
    constexpr long double c = 0.70710678118654752440084436210485L, c_rest = 1.895032558893257e-20L;
    const long double y = -x * c, value = std::erfc(y);
    if (!(y > 1 && y < 100)) return value / 2;
    const long double rest = std::fma(-x, c, -y) - x * c_rest;
    return value / 2 - 0.56418958354775628694807945156077L * std::exp(-y * y) * rest;
}

}  // namespace exact

#define CHAINRULE_FUNCTION(name, in_float, in_double, exact) \
    inline const Function name{#name, in_float, in_double, [](long double x) { return exact; }};
CHAINRULE_FUNCTION(exp, 0.96, 0.96, std::exp(x))
CHAINRULE_FUNCTION(expm1, 2.0, 1.8, std::expm1(x))  // of exp_terms, which elu and tanh take
CHAINRULE_FUNCTION(log, 0.83, 0.84, std::log(x))
CHAINRULE_FUNCTION(log1p, 1.4, 1.4, std::log1p(x))
CHAINRULE_FUNCTION(tanh, 2.5, 2.5, std::tanh(x))
CHAINRULE_FUNCTION(sigmoid, 1.8, 1.8, exact::sigmoid(x))
CHAINRULE_FUNCTION(softplus, 1.7, 1.7, exact::softplus(x))
CHAINRULE_FUNCTION(normal_cdf, 4.0, 4.8, exact::normal_cdf(x))
CHAINRULE_FUNCTION(sin, 2.5, 2.5, std::sin(x))
CHAINRULE_FUNCTION(cos, 2.5, 2.5, std::cos(x))
#undef CHAINRULE_FUNCTION

}  // namespace chainrule::test

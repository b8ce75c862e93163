// Numbers that know how wrong they may be: a formula written with them gives what it would be
// exactly, and a bound of what rounding in T makes of it. That bound is a test's tolerance.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "check.hpp"

namespace chainrule::test {

template <class T>
struct Rounded {
    long double value = 0, error = 0;

    Rounded() = default;
    Rounded(T exact) : value(exact) {}  // implicit: numbers of type T are exact
    Rounded(long double value, long double error) : value(value), error(error) {}
};

// The result of one more rounding.
template <class T>
Rounded<T> rounded(long double value, long double error) {
    const long double least = std::numeric_limits<T>::denorm_min();
    return {value, error + (std::fabs(value) + error) * unit<T> + least / 2};
}
template <class T>  // a constant that T may not hold exactly
Rounded<T> constant(long double value) {
    return rounded<T>(value, 0);
}

template <class T>
Rounded<T> operator+(Rounded<T> a, Rounded<T> b) {
    return rounded<T>(a.value + b.value, a.error + b.error);
}
template <class T>
Rounded<T> operator-(Rounded<T> a) {
    return {-a.value, a.error};
}
template <class T>
Rounded<T> operator-(Rounded<T> a, Rounded<T> b) {
    return a + -b;
}
template <class T>
Rounded<T> operator*(Rounded<T> a, Rounded<T> b) {
    return rounded<T>(a.value * b.value, std::fabs(a.value) * b.error +
                                             std::fabs(b.value) * a.error + a.error * b.error);
}
template <class T>
Rounded<T> operator/(Rounded<T> a, Rounded<T> b) {
    const long double quotient = a.value / b.value;
    return rounded<T>(quotient, (a.error + std::fabs(quotient) * b.error) /
                                    std::max(0.0L, std::fabs(b.value) - b.error));
}
template <class T>
Rounded<T> magnitude(Rounded<T> a) {
    return {std::fabs(a.value), a.error};
}
template <class T>
Rounded<T> at_least(long double bound, Rounded<T> a) {  // a NaN stays
    return {a.value < bound ? bound : a.value, a.error};
}
template <class T>
Rounded<T> at_most(long double bound, Rounded<T> a) {
    return {a.value > bound ? bound : a.value, a.error};
}

// A monotonic function that is computed to so many units in the last place.
template <class T, class Function>
Rounded<T> apply(Function f, Rounded<T> a, long double ulps) {
    const long double value = f(a.value);
    long double error = 0;
    if (a.error > 0)
        error = std::max(std::fabs(f(a.value + a.error) - value),
                         std::fabs(value - f(a.value - a.error)));
    const long double ulp = std::max(2 * unit<T> * std::fabs(value),
                                     (long double)std::numeric_limits<T>::denorm_min());
    return {value, error + ulps * ulp};
}
template <class T>
Rounded<T> sqrt(Rounded<T> a) {
    return apply([](long double x) { return std::sqrt(std::max(0.0L, x)); }, a, 0.5);
}

// A sum in whatever order.
template <class T>
Rounded<T> sum(const std::vector<Rounded<T>>& terms) {
    Rounded<T> total;
    long double size = 0;
    for (const Rounded<T>& term : terms) {
        total.value += term.value, total.error += term.error;
        size += std::fabs(term.value) + term.error;
    }
    total.error += terms.size() * unit<T> * size;
    return total;
}

template <class T>
void expect(Case& c, T got, Rounded<T> want, long row = 0, long column = 0) {
    c.near(got, want.value, want.error, row, column);
}

}  // namespace chainrule::test

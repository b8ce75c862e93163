// The losses, each value beside its derivative, and softmax, on rows of the output layer.
//
// As in chainrule/losses.py: where a loss and an output activation cancel, the pair is computed
// from rho. A row's result does not depend on the rows beside it.
#pragma once

#include "activations.hpp"
#include "panels.hpp"

namespace chainrule::CHAINRULE_ISA {

// log(p) and its derivative, below `floor` continued by its tangent: that is 1e-10 for float and
// 1e-77 for double, the fourth root of the smallest normal number, so that 1 / floor^2 is finite.
template <class T>
constexpr T log_floor = sizeof(T) == 4 ? T(0x1.6a09e667f3bcdp-32) : T(0x1.6a09e667f3bcdp-256);
template <class T>
CHAINRULE_INLINE Point<T> log_point(Vec<T> p) {
    const Vec<T> x = at_least<T>(log_floor<T>, p);
    return {log<T>(x) + at_most<T>(T(0), p - log_floor<T>) / log_floor<T>, T(1) / x};
}
// The logarithm of the output exponential(x), by x.
template <class T>
CHAINRULE_INLINE Point<T> log_exponential(Vec<T> x) {
    const Vec<T> beyond = at_least<T>(T(0), x - T(64));
    return {at_most<T>(T(64), x) + log1p_inside<T>(beyond), T(1) / (T(1) + beyond)};
}

// Calls `use` with the loss, a function from an output phi (or rho where it folds with the
// output activation) and a target to a Point: the loss and its derivative by the former.
template <class T, class Use>
void with_loss(const LossSpec& spec, bool folded, Use use) {
    using V = Vec<T>;
    using P = Point<T>;
    const V one = broadcast(T(1)), zero = {};
    const T parameter = T(spec.parameter);
    switch (spec.kind) {
        case Loss::squared_error:
            return use([](V p, V y) -> P { return {(p - y) * (p - y) * T(0.5), p - y}; });
        case Loss::absolute_error:
            return use([=](V p, V y) -> P {
                const V d = p - y, size = magnitude<T>(d);
                return {size, select<T>(size > T(0), with_sign_of<T>(d, one), d)};
            });
        case Loss::huber:
            return use([delta = parameter](V p, V y) -> P {
                const V d = p - y, size = magnitude<T>(d), inside = at_most<T>(delta, size);
                return {inside * (size - inside * T(0.5)), clamp<T>(d, -delta, delta)};
            });
        case Loss::log_cosh:
            return use([](V p, V y) -> P {
                // log((e^d + e^-d) / 2), with the larger exponential taken out
                const V d = p - y, size = magnitude<T>(d);
                const V rest = log1p_inside<T>(exp<T>(T(-2) * size));
                return {rest + size - T(0.69314718055994530942), tanh<T>(d)};
            });
        case Loss::quantile:
            return use([=, q = parameter](V p, V y) -> P {
                const V d = y - p, above = select<T>(p > y, broadcast(T(1) - q), zero);
                return {at_least<T>((q - T(1)) * d, q * d), select<T>(p < y, broadcast(-q), above)};
            });
        case Loss::hinge:
            return use([=](V p, V y) -> P {
                return {at_least<T>(T(0), T(1) - y * p), select<T>(y * p < T(1), -y, zero)};
            });
        case Loss::cross_entropy:  // folded, it is not elementwise
            return use([](V p, V y) -> P {
                const auto [log_p, inverse] = log_point<T>(p);
                return {-y * log_p, -y * inverse};
            });
        case Loss::binary_cross_entropy:
            if (folded)
                return use([](V x, V y) -> P {
                    const V z = exp<T>(-magnitude<T>(x));
                    return {softplus<T>(x, z) - y * x, sigmoid<T>(x, z) - y};
                });
            return use([](V p, V y) -> P {
                const P yes = log_point<T>(p), no = log_point<T>(T(1) - p);
                return {-y * yes.value - (T(1) - y) * no.value,
                        (T(1) - y) * no.slope - y * yes.slope};
            });
        case Loss::poisson:
            if (folded)
                return use([](V x, V y) -> P {
                    const P p = exponential<T>(x), log_p = log_exponential<T>(x);
                    return {p.value - y * log_p.value, p.slope - y * log_p.slope};
                });
            return use([](V p, V y) -> P {
                const auto [log_p, inverse] = log_point<T>(p);
                return {p - y * log_p, T(1) - y * inverse};
            });
        case Loss::gamma:
            if (folded)
                return use([](V x, V y) -> P {
                    const P inverse = exponential<T>(-x), log_p = log_exponential<T>(x);
                    return {log_p.value + y * inverse.value, log_p.slope - y * inverse.slope};
                });
            return use([](V p, V y) -> P {
                constexpr T floor = log_floor<T>;
                const auto [log_p, by_log] = log_point<T>(p);
                const V inverse = T(1) / at_least<T>(floor, p);
                const V tangent = at_most<T>(T(0), p - floor) / (floor * floor);
                return {log_p + y * (inverse - tangent), by_log - y * inverse * inverse};
            });
        case Loss::gaussian_nll: return;  // of pairs of outputs
    }
}

// Element i of a row in panels.
template <class T>
CHAINRULE_INLINE T* entry(Panels<T> matrix, long row, long i) {
    return matrix.at(i / panel<T>, row) + i % panel<T>;
}

// One row of softmax(rho) in place: exp(x_j) / sum_k exp(x_k). Returns log(sum_k exp(x_k)).
template <class T>
T softmax_row(Panels<T> rho, long row, long n) {
    const Vec<T> lowest = broadcast(-infinity<T>);
    Vec<T> top = lowest, total = {};
    for (long i = 0; i < n; i += lanes<T>)
        top = at_least<T>(top, select<T>(first_lanes<T>(n - i), load(entry(rho, row, i)), lowest));
    const T shift = largest<T>(top);
    for (long i = 0; i < n; i += lanes<T>) {
        const Vec<T> e = exp<T>(load(entry(rho, row, i)) - shift);
        store<T>(entry(rho, row, i), zeroed_where_not<T>(first_lanes<T>(n - i), e));
        total += load(entry(rho, row, i));
    }
    const T sum_of_all = sum<T>(total);
    for (long i = 0; i < n; i += lanes<T>)
        store<T>(entry(rho, row, i), load(entry(rho, row, i)) / sum_of_all);
    return log<T>(broadcast(sum_of_all))[0] + shift;
}
template <class T>
void softmax(long first, long last, long n, Panels<T> rho) {
    for (long row = first; row < last; row++) softmax_row(rho, row, n);
}

// lambda_j = p_j (omega_j - sum_k omega_k p_k) for the outputs p of a softmax, in place of omega.
template <class T>
void softmax_pull_back(long first, long last, long n, Panels<T> omega, Panels<T> phi) {
    for (long row = first; row < last; row++) {
        Vec<T> dot = {};
        for (long i = 0; i < n; i += lanes<T>)
            dot += load(entry(omega, row, i)) * load(entry(phi, row, i));
        const T mean = sum<T>(dot);
        for (long i = 0; i < n; i += lanes<T>)
            store<T>(entry(omega, row, i),
                     load(entry(phi, row, i)) * (load(entry(omega, row, i)) - mean));
    }
}

// sum_j y_j (log sum_k exp(x_k) - x_j), whose derivative by x is p sum_j y_j - y.
template <class T>
T cross_entropy_of_softmax(long row, long n, Panels<T> x, Panels<T> targets, T share) {
    Vec<T> weights = {}, products = {};
    for (long i = 0; i < n; i += lanes<T>) {
        const Vec<T> y = load(entry(targets, row, i));
        weights += y;
        products += zeroed_where_not<T>(first_lanes<T>(n - i), y * load(entry(x, row, i)));
    }
    const T weight = sum<T>(weights), log_sum = softmax_row(x, row, n);
    for (long i = 0; i < n; i += lanes<T>)
        store<T>(entry(x, row, i), (load(entry(x, row, i)) * weight -
                                    load(entry(targets, row, i))) * share);
    return weight * log_sum - sum<T>(products);
}

// exp(-s) of a log-variance s; below a variance of 1e-6 it goes on as its tangent. The slope is
// by -s.
template <class T>
CHAINRULE_INLINE Point<T> gaussian_precision(T s) {
    return exponential<T>(broadcast(-s), T(13.815510557964274104));
}

// Means, then as many log-variances s: (s + (mean - y)^2 exp(-s)) / 2.
template <class T>
double gaussian_nll(long row, long n, Panels<T> outputs, Panels<T> targets, T share) {
    double total = 0;  // in double, because its terms may cancel
    for (long i = 0; i < n / 2; i++) {
        T &mean = *entry(outputs, row, i), &s = *entry(outputs, row, n / 2 + i);
        const auto [value, slope] = gaussian_precision<T>(s);
        const T d = mean - *entry(targets, row, i), precision = value[0];
        total += (s + double(d) * d * precision) * 0.5;
        mean = d * precision * share;
        s = (T(1) - d * d * slope[0]) * T(0.5) * share;
    }
    for (long i = n; i % lanes<T>; i++) *entry(outputs, row, i) = 0;
    return total;
}

// Losses of rows [first, last), and in place of the outputs their derivatives times each row's
// share, with zeros in the padding.
template <class T>
void losses(const LossSpec& spec, bool folded, long first, long last, long n, Panels<T> outputs,
            Panels<T> targets, const T* share, double* row_loss) {
    const auto by_row = [=](auto loss_of_row) {
        for (long row = first; row < last; row++)
            row_loss[row] = loss_of_row(row, n, outputs, targets, share[row]);
    };
    if (spec.kind == Loss::gaussian_nll) return by_row(gaussian_nll<T>);
    if (spec.kind == Loss::cross_entropy && folded) return by_row(cross_entropy_of_softmax<T>);
    with_loss<T>(spec, folded, [=](auto loss) {
        by_row([=](long row, long n, Panels<T> outputs, Panels<T> targets, T share) {
            Vec<T> total = {};
            for (long i = 0; i < n; i += lanes<T>) {
                T* at = entry(outputs, row, i);
                const auto [value, slope] = loss(load(at), load(entry(targets, row, i)));
                const IntVec<T> inside = first_lanes<T>(n - i);
                total += zeroed_where_not<T>(inside, value);
                store<T>(at, zeroed_where_not<T>(inside, slope * share));
            }
            return sum<T>(total);
        });
    });
}

// Calls `use` with the curvature of the loss, a function from an output phi (or rho where it folds
// with the output activation) and a target.
template <class T, class Use>
void with_curvature(const LossSpec& spec, bool folded, Use use) {
    using V = Vec<T>;
    const V one = broadcast(T(1));
    switch (spec.kind) {
        case Loss::squared_error: return use([=](V, V) { return one; });
        case Loss::huber:
            return use([delta = T(spec.parameter)](V p, V y) {
                return delta / at_least<T>(delta, magnitude<T>(p - y));
            });
        case Loss::log_cosh:
            return use([=](V p, V y) {
                const V d = p - y;
                return select<T>(d == T(0), one, tanh<T>(d) / d);
            });
        case Loss::cross_entropy:  // folded, it is not elementwise
            return use([](V p, V y) {
                const V inverse = log_point<T>(p).slope;
                return y * (inverse * inverse);
            });
        case Loss::binary_cross_entropy:
            if (folded)
                return use([](V x, V) {
                    const V p = sigmoid<T>(x);
                    return p * (T(1) - p);
                });
            return use([](V p, V) {
                return log_point<T>(p).slope + log_point<T>(T(1) - p).slope;
            });
        case Loss::poisson:
            if (folded) return use([](V x, V) { return exponential<T>(x).slope; });
            return use([](V p, V) { return log_point<T>(p).slope; });
        case Loss::gamma:
            if (folded) return use([=](V, V) { return one; });
            return use([](V p, V) {
                const V inverse = log_point<T>(p).slope;
                return inverse * inverse;
            });
        case Loss::gaussian_nll: return;  // of pairs of outputs
        case Loss::absolute_error: case Loss::quantile: case Loss::hinge: return;  // have none
    }
}

// The curvature h of rows [first, last) times each row's share, with zeros in the padding. For
// cross entropy folded with softmax it is that of diag(h) - h h^T / sum(h).
template <class T>
void curvature(const LossSpec& spec, bool folded, long first, long last, long n,
               Panels<T> outputs, Panels<T> targets, const T* share, Panels<T> h) {
    if (spec.kind == Loss::cross_entropy && folded) {
        for (long row = first; row < last; row++) {
            Vec<T> weights = {};
            for (long i = 0; i < n; i += lanes<T>) {
                weights += load(entry(targets, row, i));
                store<T>(entry(h, row, i), load(entry(outputs, row, i)));
            }
            softmax_row(h, row, n);
            const T scale = sum<T>(weights) * share[row];
            for (long i = 0; i < n; i += lanes<T>)
                store<T>(entry(h, row, i), load(entry(h, row, i)) * scale);
        }
        return;
    }
    if (spec.kind == Loss::gaussian_nll) {
        for (long row = first; row < last; row++)
            for (long i = 0; i < n / 2; i++) {
                const T s = *entry(outputs, row, n / 2 + i);
                *entry(h, row, i) = gaussian_precision<T>(s).value[0] * share[row];
                *entry(h, row, n / 2 + i) = T(0.5) * share[row];
            }
        return;
    }
    with_curvature<T>(spec, folded, [=](auto curvature) {
        for (long row = first; row < last; row++)
            for (long i = 0; i < n; i += lanes<T>) {
                const auto value = curvature(load(entry(outputs, row, i)),
                                             load(entry(targets, row, i)));
                store<T>(entry(h, row, i),
                         zeroed_where_not<T>(first_lanes<T>(n - i), value * share[row]));
            }
    });
}

}  // namespace chainrule::CHAINRULE_ISA

// The update rules, as chainrule/optimizers.py states them, with its symbols.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T>
CHAINRULE_INLINE Vec<T> sign(Vec<T> x) {
    const Vec<T> zero = {}, one = broadcast(T(1));
    return select<T>(x > zero, one, select<T>(x < zero, -one, x));  // a zero or a NaN stays
}

// One step for a block in a panel: its parameters, the two arrays of its state (those that the
// optimizer has) and its gradient.
template <class T>
void update(const Update<T>& u, T* theta_at, T* state1, T* state2, const T* g_at, long rows,
            long columns) {
    using V = Vec<T>;
    const auto each = [=, scale = u.scale](auto rule) {
        for (long r = 0; r < rows; r++)
            for (long i = r * panel<T>; i < r * panel<T> + columns; i += lanes<T>) {
                V theta = load(theta_at + i), first = {}, second = {};
                if (state1) first = load(state1 + i);
                if (state2) second = load(state2 + i);
                rule(theta, first, second, load(g_at + i) * scale);
                store(theta_at + i, theta);
                if (state1) store(state1 + i, first);
                if (state2) store(state2 + i, second);
            }
    };
    const auto averages = [u](V& m, V& v, V g) {  // of Adam and its relatives; the denominator
        m = u.beta1 * m + u.rest1 * g;
        v = u.beta2 * v + u.rest2 * (g * g);
        return u.unbias2 * sqrt<T>(v) + u.epsilon;
    };
    const auto adam = [=](V& theta, V& m, V& v, V g) {
        const V denominator = averages(m, v, g);
        theta -= u.by_m * m / denominator;
    };
    switch (u.kind) {
        case Optimizer::gradient_descent:
            return each([u](V& theta, V&, V&, V g) { theta -= u.eta * g; });
        case Optimizer::momentum:
            return each([u](V& theta, V& v, V&, V g) {
                v = u.momentum * v - u.eta * g;
                theta += v;
            });
        case Optimizer::nesterov:
            return each([u](V& theta, V& v, V&, V g) {
                v = u.momentum * v - u.eta * g;
                theta += u.momentum * v - u.eta * g;
            });
        case Optimizer::rmsprop:
            return each([u](V& theta, V& v, V&, V g) {
                v = u.beta2 * v + u.rest2 * (g * g);
                theta -= u.eta * g / (sqrt<T>(v) + u.epsilon);
            });
        case Optimizer::adagrad:
            return each([u](V& theta, V& v, V&, V g) {
                v += g * g;
                theta -= u.eta * g / (sqrt<T>(v) + u.epsilon);
            });
        case Optimizer::adam: return each(adam);
        case Optimizer::adamw:
            return each([=](V& theta, V& m, V& v, V g) {
                theta *= u.kept;
                adam(theta, m, v, g);
            });
        case Optimizer::nadam:
            return each([=](V& theta, V& m, V& v, V g) {
                const V denominator = averages(m, v, g);
                theta -= (u.by_m * m + u.by_g * g) / denominator;
            });
        case Optimizer::lion:
            return each([u](V& theta, V& m, V&, V g) {
                const V direction = sign<T>(u.beta1 * m + u.rest1 * g);
                theta -= u.eta * (direction + u.weight_decay * theta);
                m = u.beta2 * m + u.rest2 * g;
            });
        case Optimizer::rprop:
            return each([u](V& theta, V& h, V& s, V g) {
                const V agreement = sign<T>(g) * sign<T>(h), zero = {}, one = broadcast(T(1));
                s *= select<T>(agreement > zero, broadcast(u.grow),
                               select<T>(agreement < zero, broadcast(u.shrink), one));
                s = clamp<T>(s, u.smallest, u.largest);
                h = select<T>(agreement < zero, zero, g);
                theta -= sign<T>(h) * s;
            });
    }
}

// The sum of the squares of a block: in double, because a gradient that is to be clipped is large.
template <class T>
double squares(const T* g, long rows, long columns) {
    double sums[8] = {};  // enough chains for vectors of doubles
    for (long r = 0; r < rows; r++)
        for (long i = r * panel<T>; i < r * panel<T> + columns; i += 8)
            for (int j = 0; j < 8; j++) sums[j] += double(g[i + j]) * double(g[i + j]);
    for (int j = 1; j < 8; j++) sums[0] += sums[j];
    return sums[0];
}

// Returns the penalty of a block, the sum of l2/2 w^2 + l1 |w|, and adds its gradient to g.
template <class T>
double add_penalty(T l2, T l1, const T* w_at, T* g, long rows, long columns) {
    Vec<T> even = {}, odd = {};  // two chains of sums: one would be waited for
    const auto add = [=](long i, Vec<T>& penalty) {
        const Vec<T> w = load(w_at + i), of_l1 = l1 * sign<T>(w);
        store(g + i, load(g + i) + (l2 * w + of_l1));
        penalty += w * (l2 / 2 * w + of_l1);
    };
    for (long r = 0; r < rows; r++)
        for (long i = r * panel<T>, end = i + columns; i < end; i += 2 * lanes<T>) {
            add(i, even);
            if (i + lanes<T> < end) add(i + lanes<T>, odd);
        }
    return sum<T>(even + odd);
}

}  // namespace chainrule::CHAINRULE_ISA

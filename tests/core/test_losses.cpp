// Losses, their curvature, softmax and dropout, against the formulas of chainrule/losses.py.
#include "functions.hpp"
#include "random.hpp"

namespace chainrule::test {
namespace {

const std::vector<long> widths = {1, 2, 3, 5, 8, 10, 15, 16, 17, 31, 32, 33, 63, 64, 65};

template <class T>
struct Point {
    Rounded<T> value, slope;
};

// Logarithm and reciprocal, continued by their tangents below the fourth root of the smallest
// normal number.
template <class T>
struct Floored {
    using R = Rounded<T>;
    explicit Floored(R p)
        : p(p), x(at_least(floor(), p)), below(at_most(0, p - R(floor()))) {}
    R log() const { return test::log(x) + below / R(floor()); }
    R log_slope() const { return R(T(1)) / x; }
    R reciprocal() const { return R(T(1)) / x - below / (R(floor()) * R(floor())); }
    static T floor() { return T(std::pow((long double)std::numeric_limits<T>::min(), 0.25L)); }
    const R p, x, below;
};

// exp, beyond a limit continued by its tangent, and its logarithm.
template <class T>
Rounded<T> exponential(Rounded<T> x, long double limit = 64) {
    const Rounded<T> more = at_least(0, x - constant<T>(limit));
    return exp(at_most(limit, x)) * (Rounded<T>(T(1)) + more);
}
template <class T>
Rounded<T> log_exponential(Rounded<T> x) {
    return at_most(64, x) + log1p(at_least(0, x - Rounded<T>(T(64))));
}

// The loss of one output p and target y; where it is folded with the activation, of rho.
template <class T>
Point<T> loss(const LossSpec& spec, bool folded, T p_, T y_) {
    using R = Rounded<T>;
    const R p(p_), y(y_), one(T(1)), half(T(0.5)), zero(T(0)), d = p - y, size = magnitude(d);
    const R parameter = constant<T>(spec.parameter);
    const auto sign = [&](R v) { return v.value > 0 ? one : v.value < 0 ? -one : zero; };
    switch (spec.kind) {
        case Loss::squared_error: return {d * d * half, d};
        case Loss::absolute_error: return {size, sign(d)};
        case Loss::huber: {
            const R inside = size.value < parameter.value ? size : parameter;
            return {inside * (size - inside * half), sign(d) * inside};
        }
        case Loss::log_cosh:
            return {softplus(-(size + size)) + size - constant<T>(0.69314718055994530942L),
                    tanh(d)};
        case Loss::quantile: {
            const R right = one - parameter;
            return {p_ > y_ ? right * d : -(parameter * d),
                    p_ < y_ ? -parameter : p_ > y_ ? right : zero};
        }
        case Loss::hinge: {
            const R margin = one - y * p;
            return {at_least(0, margin), (long double)y_ * p_ < 1 ? -y : zero};
        }
        case Loss::cross_entropy: {
            const Floored<T> at(p);
            return {-(y * at.log()), -(y * at.log_slope())};
        }
        case Loss::binary_cross_entropy: {
            if (folded) return {softplus(p) - y * p, sigmoid(p) - y};
            const Floored<T> yes(p), no(one - p);
            return {-(y * yes.log()) - (one - y) * no.log(),
                    (one - y) * no.log_slope() - y * yes.log_slope()};
        }
        case Loss::poisson: {
            const Floored<T> at(p);
            const R beyond = at_least(0, p - R(T(64)));
            if (folded)
                return {exponential(p) - y * log_exponential(p),
                        exp(at_most(64, p)) - y * (one / (one + beyond))};
            return {p - y * at.log(), one - y * at.log_slope()};
        }
        case Loss::gamma: {
            const Floored<T> at(p);
            const R beyond = at_least(0, p - R(T(64)));
            if (folded)
                return {log_exponential(p) + y * exponential(-p),
                        one / (one + beyond) - y * exp(at_most(64, -p))};
            return {at.log() + y * at.reciprocal(),
                    at.log_slope() - y * at.log_slope() * at.log_slope()};
        }
        case Loss::gaussian_nll: break;
    }
    return {};
}

// The curvature of one output p and target y; where the loss is folded, of rho.
template <class T>
Rounded<T> curvature(const LossSpec& spec, bool folded, T p_, T y_) {
    using R = Rounded<T>;
    const R p(p_), one(T(1)), d = p - R(y_), parameter = constant<T>(spec.parameter);
    const Floored<T> at(p), rest(one - p);
    switch (spec.kind) {
        case Loss::huber: return parameter / at_least(parameter.value, magnitude(d));
        case Loss::log_cosh: return d.value == 0 ? one : tanh(d) / d;
        case Loss::cross_entropy: return R(y_) * (at.log_slope() * at.log_slope());
        case Loss::binary_cross_entropy:
            return folded ? sigmoid(p) * (one - sigmoid(p)) : at.log_slope() + rest.log_slope();
        case Loss::poisson: return folded ? exp(at_most(64, p)) : at.log_slope();
        case Loss::gamma: return folded ? one : at.log_slope() * at.log_slope();
        default: return one;  // squared_error
    }
}

// A loss with what its outputs and targets may be.
struct LossCase {
    LossSpec spec;
    bool folded;
    double low, high, target_low, target_high;
    std::vector<double> special;  // outputs among the others
};
const std::vector<LossCase> elementwise = {
    {{Loss::squared_error, 0}, false, -3, 3, -3, 3, {}},
    {{Loss::absolute_error, 0}, false, -3, 3, -3, 3, {}},
    {{Loss::huber, 1}, false, -3, 3, -3, 3, {}},
    {{Loss::huber, 0.3}, false, -3, 3, -3, 3, {}},
    {{Loss::log_cosh, 0}, false, -3, 3, -3, 3, {500, -500, 1e-5}},
    {{Loss::quantile, 0.9}, false, -3, 3, -3, 3, {}},
    {{Loss::hinge, 0}, false, -3, 3, -1, 1, {}},
    {{Loss::cross_entropy, 0}, false, 0, 1, 0, 1, {0, 1, 1e-15, 1e-80}},
    {{Loss::binary_cross_entropy, 0}, false, 0, 1, 0, 1, {0, 1, 1e-15, 1e-80}},
    {{Loss::binary_cross_entropy, 0}, true, -9, 9, 0, 1, {100, -100, 1e4, -1e4}},
    {{Loss::poisson, 0}, false, 0, 9, 0, 9, {0, 1e-15, 1e-80, 1e4}},
    {{Loss::poisson, 0}, true, -3, 3, 0, 9, {63, 65, 100, -100, 1e4}},
    {{Loss::gamma, 0}, false, 0, 9, 0, 9, {0, 1e-15, 1e-80, 1e4}},
    {{Loss::gamma, 0}, true, -3, 3, 0, 9, {63, 65, 100, -63, -65, -100}},
};

// Numbers in one vector of the kernels that run.
template <class T>
long kernel_lanes() {
    const std::string isa = instruction_set();
    return (isa == "avx512" ? 64 : isa == "avx2" ? 32 : 16) / long(sizeof(T));
}

// Runs the losses on all rows but the first; returns the loss of each row. Targets have zeros in
// their padding, as they have in a pass; outputs have anything there.
template <class T>
struct Losses {
    Losses(long rows, long n, long n_targets, double low, double high, double target_low,
           double target_high)
        : random(rows + n), rows(rows), n(n), outputs(rows, n, random, low, high),
          targets(rows, n_targets, random, target_low, target_high), h(rows, n, random),
          share(rows, random, 0, 1), row_loss(rows) {
        const long room = panels_for<T>(n_targets) * panel<T>;
        for (long r = 0; r < rows; r++)
            for (long j = n_targets; j < room; j++) targets(r, j) = 0;
    }
    void run(const LossSpec& spec, bool folded) {
        outputs.remember();
        targets.remember();
        row_loss[0] = 42;
        kernels<T>().losses(spec, folded, 1, rows, n, outputs, targets, share.get(),
                            row_loss.get());
    }
    void curvature(Case& c, const LossSpec& spec, bool folded) {
        kernels<T>().curvature(spec, folded, 1, rows, n, outputs, targets, share.get(), h);
        c.check(h.changed_only(1, rows, whole_vectors<T>(n)), "curvature of other rows");
    }
    // Derivatives have zeros in their padding, or a gradient would not have.
    void check_writes(Case& c) {
        for (long r = 1; r < rows; r++)
            for (long j = n; j < round_up(n, kernel_lanes<T>()); j++)
                c.check(outputs(r, j) == 0, "something in the padding");
        c.check(outputs.changed_only(1, rows, whole_vectors<T>(n)) && targets.unchanged() &&
                    row_loss[0] == 42, "wrote what is not its own");
    }
    Random random;
    const long rows, n;
    Grid<T> outputs, targets, h;
    const Exact<T> share;
    const Exact<double> row_loss;
};

template <class T>
void test_elementwise(const LossCase& l, long n) {
    Case c("loss %d(%g) %s folded %d of %ld outputs", int(l.spec.kind), l.spec.parameter,
           type_name<T>, l.folded, n);
    Losses<T> run(7, n, n, l.low, l.high, l.target_low, l.target_high);
    for (long r = 1; r < run.rows; r++) {
        for (long j = 0; j < n; j++) {  // special outputs, whole targets, and both the same
            const long kind = run.random.below(8);
            if (kind == 0 && !l.special.empty())
                run.outputs(r, j) = T(l.special[run.random.below(l.special.size())]);
            if (kind == 1) run.targets(r, j) = T(l.target_high), run.outputs(r, j) = T(l.high);
            if (kind == 2) run.targets(r, j) = T(l.target_low);
            if (kind == 3) run.targets(r, j) = run.outputs(r, j);
            if (kind == 3 && l.high > l.target_high) run.targets(r, j) = T(l.target_high);
        }
    }
    if (l.spec.has_curvature()) {
        run.curvature(c, l.spec, l.folded);
        for (long r = 1; r < run.rows; r++) {
            for (long j = 0; j < n; j++)
                expect(c, run.h(r, j), curvature(l.spec, l.folded, run.outputs(r, j),
                                             run.targets(r, j)) * Rounded<T>(run.share[r]), r, j);
            for (long j = n; j < round_up(n, kernel_lanes<T>()); j++)
                c.check(run.h(r, j) == 0, "something in the padding of the curvature");
        }
    }
    run.run(l.spec, l.folded);
    for (long r = 1; r < run.rows; r++) {
        std::vector<Rounded<T>> terms;
        for (long j = 0; j < n; j++) {
            const T before = run.outputs.before(r, j);
            const Point<T> want = loss(l.spec, l.folded, before, run.targets(r, j));
            terms.push_back(want.value);
            expect(c, run.outputs(r, j), want.slope * Rounded<T>(run.share[r]), r, j);
        }
        const Rounded<T> total = sum(terms);
        c.near(run.row_loss[r], total.value, total.error, r, -1);
    }
    run.check_writes(c);
}

// softmax of a row of numbers that are exact, and the logarithm of the sum of their exponentials.
template <class T>
std::vector<Rounded<T>> softmax(const std::vector<T>& x, Rounded<T>* log_sum = nullptr) {
    const Rounded<T> top(*std::max_element(x.begin(), x.end()));
    std::vector<Rounded<T>> e;
    for (T v : x) e.push_back(exp(Rounded<T>(v) - top));
    const Rounded<T> total = sum(e);
    for (auto& v : e) v = v / total;
    if (log_sum) *log_sum = log(total) + top;
    return e;
}

template <class T>
void test_softmax(long n, double reach) {
    Case c("softmax %s of %ld, up to %g", type_name<T>, n, reach);
    Random random(n);
    Grid<T> x(5, n, random, -reach, reach), omega(5, n, random);
    kernels<T>().softmax(1, 4, n, x);
    c.check(x.changed_only(1, 4, whole_vectors<T>(n)), "wrote what is not its own");
    x.remember();
    kernels<T>().through_output({Activation::softmax, 0}, 1, 4, n, omega, x);
    c.check(omega.changed_only(1, 4, whole_vectors<T>(n)) && x.unchanged(),
            "pull back wrote what is not its own");
    Random again(n);
    const Grid<T> before(5, n, again, -reach, reach);
    for (long r = 1; r < 4; r++) {
        std::vector<T> row;
        for (long j = 0; j < n; j++) row.push_back(before(r, j));
        const auto p = softmax(row);
        std::vector<Rounded<T>> products;
        for (long j = 0; j < n; j++) {
            expect(c, x(r, j), p[j], r, j);
            products.push_back(Rounded<T>(omega.before(r, j)) * Rounded<T>(x(r, j)));
        }
        const Rounded<T> mean = sum(products);
        for (long j = 0; j < n; j++)
            expect(c, omega(r, j),
                   Rounded<T>(x(r, j)) * (Rounded<T>(omega.before(r, j)) - mean), r, j);
    }
}

template <class T>
void test_cross_entropy_of_softmax(long n) {
    using R = Rounded<T>;
    Case c("cross entropy of softmax %s of %ld", type_name<T>, n);
    Losses<T> run(6, n, n, -9, 9, 0, 1);
    run.outputs(2, n - 1) = 300;  // where exp by itself would overflow
    run.curvature(c, {Loss::cross_entropy, 0}, true);
    run.run({Loss::cross_entropy, 0}, true);
    for (long r = 1; r < run.rows; r++) {
        std::vector<T> x;
        std::vector<R> weights, products;
        for (long j = 0; j < n; j++) {
            x.push_back(run.outputs.before(r, j));
            weights.push_back(R(run.targets(r, j)));
            products.push_back(R(run.targets(r, j)) * R(x[j]));
        }
        R log_sum;
        const auto p = softmax(x, &log_sum);
        const R weight = sum(weights), value = weight * log_sum - sum(products);
        c.near(run.row_loss[r], value.value, value.error, r, -1);
        for (long j = 0; j < n; j++) {
            expect(c, run.outputs(r, j), (p[j] * weight - R(run.targets(r, j))) * R(run.share[r]),
                   r, j);
            expect(c, run.h(r, j), p[j] * (weight * R(run.share[r])), r, j);
        }
    }
    run.check_writes(c);
}

template <class T>
void test_gaussian(long pairs) {
    using R = Rounded<T>;
    Case c("gaussian_nll %s of %ld pairs", type_name<T>, pairs);
    Losses<T> run(6, 2 * pairs, pairs, -3, 3, -3, 3);
    run.outputs(2, pairs) = -20;  // a log-variance below the floor of a variance of 1e-6
    run.curvature(c, {Loss::gaussian_nll, 0}, false);
    run.run({Loss::gaussian_nll, 0}, false);
    const long double floor = 13.815510557964274104L;
    for (long r = 1; r < run.rows; r++) {
        std::vector<R> terms;
        const R share(run.share[r]), half(T(0.5)), one(T(1));
        for (long j = 0; j < pairs; j++) {
            const R s(run.outputs.before(r, pairs + j));
            const R d = R(run.outputs.before(r, j)) - R(run.targets(r, j));
            const R precision = exponential(-s, floor), slope = exp(at_most(floor, -s));
            terms.push_back((s + d * d * precision) * half);
            expect(c, run.outputs(r, j), d * precision * share, r, j);
            expect(c, run.h(r, j), precision * share, r, j);
            expect(c, run.h(r, pairs + j), half * share, r, j);
            expect(c, run.outputs(r, pairs + j), (one - d * d * slope) * half * share, r, j);
        }
        const R total = sum(terms);
        c.near(run.row_loss[r], total.value, total.error, r, -1);
    }
    run.check_writes(c);
}

template <class T>
void test_drop(long n) {
    Case c("drop %s of %ld", type_name<T>, n);
    Random random(n);
    Grid<T> phi(9, n, random), slopes(9, n, random);
    const double p = 0.3;
    const Dropout dropout{random.bits(), uint32_t(p * 0x1p32), 1000, 1 / (1 - p)};
    kernels<T>().drop(dropout, 2, 8, n, phi, slopes);
    for (long r = 2; r < 8; r++)
        for (long j = 0; j < n; j++) {
            const bool kept = random32(dropout.key, uint32_t((1000 + r) * n + j)) >= 0x4ccccccc;
            const Rounded<T> scale = kept ? constant<T>(1 / 0.7L) : Rounded<T>();
            expect(c, phi(r, j), Rounded<T>(phi.before(r, j)) * scale, r, j);
            expect(c, slopes(r, j), Rounded<T>(slopes.before(r, j)) * scale, r, j);
        }
    const long written = round_up(n, panel<T>);
    c.check(phi.changed_only(2, 8, written) && slopes.changed_only(2, 8, written),
            "wrote what is not its own");
}

template <class T>
void tests() {
    for (long n : widths) {
        for (const LossCase& l : elementwise) test_elementwise<T>(l, n);
        for (double reach : {0.1, 3.0, 80.0}) test_softmax<T>(n, reach);
        test_cross_entropy_of_softmax<T>(n);
        test_gaussian<T>(n);
        test_drop<T>(n);
    }
}

}  // namespace
}  // namespace chainrule::test

int main() {
    return chainrule::test::run([] {
        chainrule::test::tests<float>();
        chainrule::test::tests<double>();
    });
}

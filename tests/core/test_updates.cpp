// The ten optimizers, and the penalty with its gradient, against the formulas of
// chainrule/optimizers.py, step by step.
#include "rounded.hpp"
#include "rules.hpp"

namespace chainrule::test {
namespace {

template <class T>
int sign(T x) {
    return (x > 0) - (x < 0);
}

// What a step makes of one parameter and its state. The numbers of the rule and of the step are
// constants that were rounded to double before they were to T.
template <class T>
struct Step {
    using R = Rounded<T>;
    R theta, first, second;
    bool unsure = false;  // where a sign hangs on rounding

    Step(Optimizer kind, const Rule& rule, const StepNumbers& step, R theta_, R m, R v, R g)
        : theta(theta_), first(m), second(v) {
        const auto k = [](long double x) {
            const R c = constant<T>(x);
            return R(c.value, c.error + 2 * unit<double> * std::fabs(x));
        };
        const R eta = k(step.eta), momentum = k(rule.momentum), beta1 = k(rule.beta1);
        const R beta2 = k(rule.beta2), rest1 = k(1 - rule.beta1), rest2 = k(1 - rule.beta2);
        const R epsilon(std::max(T(rule.epsilon), std::numeric_limits<T>::min()));
        const auto averages = [&] {
            first = beta1 * m + rest1 * g;
            second = beta2 * v + rest2 * (g * g);
            return k(step.unbias2) * sqrt(second) + epsilon;
        };
        switch (kind) {
            case Optimizer::gradient_descent: theta = theta - eta * g; break;
            case Optimizer::momentum:
                first = momentum * m - eta * g;
                theta = theta + first;
                break;
            case Optimizer::nesterov:
                first = momentum * m - eta * g;
                theta = theta + momentum * first - eta * g;
                break;
            case Optimizer::rmsprop:
                first = beta2 * m + rest2 * (g * g);
                theta = theta - eta * g / (sqrt(first) + epsilon);
                break;
            case Optimizer::adagrad:
                first = m + g * g;
                theta = theta - eta * g / (sqrt(first) + epsilon);
                break;
            case Optimizer::adam:
            case Optimizer::adamw: {
                if (kind == Optimizer::adamw) theta = k(1 - step.eta * rule.weight_decay) * theta;
                const R denominator = averages();
                theta = theta - k(step.by_m) * first / denominator;
                break;
            }
            case Optimizer::nadam: {
                const R denominator = averages();
                theta = theta - (k(step.by_m) * first + k(step.by_g) * g) / denominator;
                break;
            }
            case Optimizer::lion: {
                const R c = beta1 * m + rest1 * g;
                unsure = std::fabs(c.value) <= c.error && c.value != 0;
                theta = theta - eta * (R(T(sign(c.value))) + k(rule.weight_decay) * theta);
                first = beta2 * m + rest2 * g;
                break;
            }
            case Optimizer::rprop: {  // first is h, second the size of the step
                const int agreement = sign(g.value) * sign(m.value);
                if (agreement > 0) second = second * k(rule.grow);
                if (agreement < 0) second = second * k(rule.shrink);
                second = at_least(T(rule.smallest), at_most(T(rule.largest), second));
                first = agreement < 0 ? R() : g;
                theta = theta - R(T(sign(first.value))) * second;
                break;
            }
        }
    }
};

template <class T>
void test_update(Optimizer kind, long rows, long columns) {
    Case c("%s %s %ld x %ld", optimizer_names[int(kind)], type_name<T>, rows, columns);
    using R = Rounded<T>;
    const Rule rule;
    const double eta = 0.0123;
    Random random(rows + columns);
    Grid<T> theta(rows, columns, random), g(rows, columns, random),
        first(rows, columns, random, 0, 0), second(rows, columns, random, 0, 0);
    const int slots = state_slots(kind);
    long double product = 1;
    for (int t = 1; t <= 4; t++) {
        for (long r = 0; r < rows; r++)
            for (long j = 0; j < columns; j++) {
                // gradients of many sizes, and now and then none at all
                const double size = std::pow(10.0, random.uniform(-6, 2));
                const bool none = (r + j) % 7 == 3 || random.below(10) == 0;
                g(r, j) = none ? T(0) : T(random.uniform(-1, 1) * size);
                if (kind == Optimizer::rprop && t == 1) second(r, j) = T(eta);
            }
        for (Grid<T>* grid : {&theta, &g, &first, &second}) grid->remember();
        const StepNumbers step = rule.step(kind, eta, t, product);
        Update<T> u = rule.update<T>(kind);
        u.scale = t % 2 ? T(1) : T(0.37);  // clipping
        u.eta = T(step.eta), u.by_m = T(step.by_m), u.by_g = T(step.by_g);
        u.unbias2 = T(step.unbias2), u.kept = T(1 - eta * rule.weight_decay);
        kernels<T>().update(u, theta.data, slots > 0 ? first.data : nullptr,
                            slots > 1 ? second.data : nullptr, g.data, rows, columns);
        for (long r = 0; r < rows; r++)
            for (long j = 0; j < columns; j++) {
                const Step<T> want(kind, rule, step, theta.before(r, j), first.before(r, j),
                                   second.before(r, j), R(g(r, j)) * R(u.scale));
                if (want.unsure) continue;
                expect(c, theta(r, j), want.theta, r, j);
                expect(c, first(r, j), want.first, r, j);
                expect(c, second(r, j), want.second, r, j);
            }
        const long written = whole_vectors<T>(columns);
        c.check(theta.changed_only(0, rows, written) && g.unchanged() &&
                    first.changed_only(0, slots > 0 ? rows : 0, written) &&
                    second.changed_only(0, slots > 1 ? rows : 0, written),
                "wrote what is not its own");
    }
}

// Without an epsilon, a parameter that has had no gradient yet stays where it is.
template <class T>
void test_no_gradient(Optimizer kind) {
    Case c("%s %s without gradient and epsilon", optimizer_names[int(kind)], type_name<T>);
    Rule rule;
    rule.epsilon = 0;
    Random random(1);
    Grid<T> theta(2, 5, random), zero(2, 5, random, 0, 0), first(2, 5, random, 0, 0),
        second(2, 5, random, 0, 0);
    Update<T> u = rule.update<T>(kind);
    u.eta = u.by_m = u.by_g = T(0.1), u.unbias2 = u.kept = 1, u.weight_decay = 0;
    kernels<T>().update(u, theta.data, first.data, second.data, zero.data, 2, 5);
    for (long j = 0; j < 5; j++) c.near(theta(1, j), theta.before(1, j), 0, 1, j);
}

template <class T>
void test_penalty(long rows, long columns) {
    using R = Rounded<T>;
    Case c("add_penalty %s %ld x %ld", type_name<T>, rows, columns);
    Random random(rows + columns);
    Grid<T> w(rows, columns, random), g(rows, columns, random);
    w(rows / 2, columns / 2) = 0;
    const T l2 = T(0.3), l1 = T(0.07);
    long double want = 0;
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < panel<T>; j++) {
            if (j >= columns) w(r, j) = 0;  // as padding of parameters is
            want += (long double)(l2) / 2 * w(r, j) * w(r, j) + l1 * std::fabs(w(r, j));
        }
    w.remember();
    const double penalty = kernels<T>().add_penalty(l2, l1, w.data, g.data, rows, columns);
    // Each term is rounded five times, and then every sum that it is part of.
    c.near(penalty, want, (5 + rows * columns) * unit<T> * want);
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < columns; j++)
            expect(c, g(r, j), R(g.before(r, j)) + (R(l2) * R(w(r, j)) +
                                                    R(l1) * R(T(sign(w(r, j))))), r, j);
    c.check(g.changed_only(0, rows, whole_vectors<T>(columns)) && w.unchanged(),
            "wrote what is not its own");
}

// Padding of gradients is zero.
template <class T>
void test_squares(long rows, long columns) {
    Case c("squares %s %ld x %ld", type_name<T>, rows, columns);
    Random random(rows + columns);
    const Grid<T> g(rows, columns, random);
    long double want = 0;
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < panel<T>; j++) {
            if (j >= columns) g(r, j) = 0;
            want += (long double)g(r, j) * g(r, j);
        }
    // each square is rounded, and then every sum that it is part of, of its row and of the rows
    const long double tolerance = (columns + 1) * unit<T> + (rows + 1) * unit<double>;
    c.near(kernels<T>().squares(g.data, rows, columns), want, tolerance * want);
}

template <class T>
void tests() {
    for (long columns : {1, 2, 3, 5, 8, 15, 16, 17, 31, 32}) {
        if (columns > panel<T>) break;
        for (long rows : {1, 2, 7, 16, 32}) {
            test_penalty<T>(rows, columns);
            test_squares<T>(rows, columns);
            for (int kind = 0; kind < n_optimizers; kind++)
                test_update<T>(Optimizer(kind), rows, columns);
        }
    }
    for (int kind = 0; kind < n_optimizers; kind++) test_no_gradient<T>(Optimizer(kind));
}

}  // namespace
}  // namespace chainrule::test

int main() {
    return chainrule::test::run([] {
        chainrule::test::tests<float>();
        chainrule::test::tests<double>();
    });
}

// The activations and their slopes, against the formulas of chainrule/activations.py.
#include "functions.hpp"

namespace chainrule::test {
namespace {

template <class T>
struct Want {
    Rounded<T> value, slope;
};

template <class T>
Rounded<T> density(Rounded<T> x) {  // of the standard normal
    const long double c = 0.39894228040143267794L;
    return apply([=](long double v) { return c * std::exp(-v * v / 2); }, x, 4.0);
}

// sigma and sigma' at x. Of those whose slope follows from the value, that is of the value `got`.
template <class T>
Want<T> activation(const ActivationSpec& spec, T x_, T got) {
    using R = Rounded<T>;
    const R x(x_), y(got), one(T(1)), two(T(2)), zero(T(0)), a = constant<T>(spec.parameter);
    const bool right = x_ > 0;
    // Where exp falls below the normal numbers, it may stay at the smallest of them.
    const auto exp_or_least = [](R v) {
        R e = exp(v);
        const long double least = std::numeric_limits<T>::min();
        if (e.value < 3 * least) e.error += 3 * least;
        return e;
    };
    const auto elu = [&](R alpha, R width, R scale) -> Want<T> {
        if (right) return {scale * x, scale};
        return {scale * (alpha * expm1(x / width)),
                scale * alpha / width * exp_or_least(x / width)};
    };
    switch (spec.kind) {
        case Activation::identity: return {x, one};
        case Activation::sigmoid: return {sigmoid(x), y * (one - y)};
        case Activation::tanh: return {tanh(x), one - y * y};
        case Activation::relu: return {at_least(0, x), right ? one : zero};
        case Activation::leaky_relu: return {right ? x : a * x, right ? one : a};
        case Activation::elu: return elu(a, one, one);
        case Activation::celu: return elu(a, a, one);
        case Activation::selu:
            return elu(constant<T>(1.6732632423543772848L), one,
                       constant<T>(1.0507009873554804934L));
        case Activation::gelu: return {x * normal_cdf(x), normal_cdf(x) + x * density(x)};
        case Activation::silu: return {x * sigmoid(x), sigmoid(x) * (one + x * (one - sigmoid(x)))};
        case Activation::mish: {
            const R t = tanh(softplus(x));
            return {x * t, t + x * (one - t * t) * sigmoid(x)};
        }
        case Activation::softplus: return {softplus(x), sigmoid(x)};
        case Activation::softsign: {
            const R d = one + magnitude(x);
            return {x / d, one / d * (one / d)};
        }
        case Activation::hard_tanh:
            return {at_most(1, at_least(-1, x)), std::fabs(x_) < 1 ? one : zero};
        case Activation::sin: return {sin(x), cos(x)};
        case Activation::gaussian: return {exp(-x * x), -two * x * exp(-x * x)};
        case Activation::exponential: {  // beyond 64 its tangent
            const R slope = exp(at_most(64, x));
            return {slope * (one + at_least(0, x - R(T(64)))), slope};
        }
        case Activation::softmax: break;
    }
    return {};
}

const std::vector<ActivationSpec> specs = {
    {Activation::identity, 0},  {Activation::sigmoid, 0},       {Activation::tanh, 0},
    {Activation::relu, 0},      {Activation::leaky_relu, 0.01}, {Activation::leaky_relu, 0.3},
    {Activation::elu, 1},       {Activation::elu, 0.7},         {Activation::selu, 0},
    {Activation::celu, 1},      {Activation::celu, 2.5},        {Activation::gelu, 0},
    {Activation::silu, 0},      {Activation::mish, 0},          {Activation::softplus, 0},
    {Activation::softsign, 0},  {Activation::hard_tanh, 0},     {Activation::sin, 0},
    {Activation::gaussian, 0},  {Activation::exponential, 0},
};

// Pre-activations of every size, and where the functions have kinks or turn.
template <class T>
std::vector<T> points() {
    using L = std::numeric_limits<T>;
    std::vector<T> all = {0,  T(-0.0), 1,   -1,   64,  65, -64, 100, -100, 700, -700, 1000, -1000,
                          T(1e4), T(-1e4), L::min(), -L::min(), L::denorm_min(), -L::denorm_min()};
    for (T x : {T(1), T(-1), T(64)})
        for (T to : {T(1000), T(-1000)}) all.push_back(std::nextafter(x, to));
    Random random(5);
    const int n = quick ? 30 : 1000;
    for (double reach : {1e-6, 1e-3, 0.1, 1.0, 3.0, 10.0, 30.0, 90.0})
        for (int i = 0; i < n; i++) all.push_back(T(random.uniform(-reach, reach)));
    return all;
}

// A layer of one input, which is 1, and no bias, so that its weights are the pre-activations,
// exactly.
template <class T>
struct Layered {
    explicit Layered(const std::vector<T>& x)
        : random(1), n(long(x.size())), one(1, 1, random), W(1, n, random), phi(1, n, random),
          slopes(1, n, random) {
        one(0, 0) = 1;
        for (long i = 0; i < n; i++) W(0, i) = x[i];
    }
    void forward(const ActivationSpec& spec, bool with_slopes) {
        const Layer<T> layer{1, n, spec, W, {}, nullptr};
        kernels<T>().forward(layer, 0, 1, one, phi, with_slopes ? slopes : Panels<T>{});
    }
    Random random;
    const long n;
    Grid<T> one, W, phi, slopes;
};

template <class T>
void test(const ActivationSpec& spec) {
    const std::vector<T> x = points<T>();
    Layered<T> layer(x), alone(x);
    layer.forward(spec, true);
    alone.forward(spec, false);
    Case c("activation %d(%g) %s", int(spec.kind), spec.parameter, type_name<T>);
    for (long i = 0; i < layer.n; i++) {
        const Want<T> want = activation(spec, x[i], layer.phi(0, i));
        expect(c, layer.phi(0, i), want.value, 0, i);
        expect(c, layer.slopes(0, i), want.slope, 1, i);
        expect(c, alone.phi(0, i), want.value, 2, i);
    }
    c.check(layer.phi.changed_only(0, 1, whole_vectors<T>(layer.n)) &&
                layer.slopes.changed_only(0, 1, whole_vectors<T>(layer.n)) &&
                alone.slopes.unchanged(), "wrote what is not its own");

    // A NaN comes through, and does not spread.
    Case nan("activation %d(%g) %s of NaN", int(spec.kind), spec.parameter, type_name<T>);
    std::vector<T> y(2 * panel<T> + 1, T(0.25));
    const long at = panel<T> + 3;
    y[at] = std::numeric_limits<T>::quiet_NaN();
    Layered<T> with_nan(y);
    with_nan.forward(spec, true);
    for (long i = 0; i < with_nan.n; i++)
        nan.check(std::isnan(with_nan.phi(0, i)) == (i == at), "in another place, or nowhere");
}

}  // namespace
}  // namespace chainrule::test

int main() {
    using namespace chainrule::test;
    return run([] {
        for (const auto& spec : specs) test<float>(spec), test<double>(spec);
    });
}

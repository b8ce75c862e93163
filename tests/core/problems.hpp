// Networks with data, of the kinds that take different ways through the core.
#pragma once

#include "check.hpp"
#include "rules.hpp"

namespace chainrule::test {

enum class Kind { dense, halves, sparse };  // of X

struct Problem {
    const char* name;
    NetworkSpec spec;
    long rows, targets, batch_size;
    Optimizer optimizer;
    Regularization regularization;
    bool shuffle, weights;
    Kind kind;
};

constexpr double no_clip = std::numeric_limits<double>::infinity();
inline const std::vector<Problem> problems = {
    {"softmax, shuffled", {{{7, 16, {Activation::relu, 0}}, {16, 3, {Activation::softmax, 0}}},
      {Loss::cross_entropy, 0}, true},
     100, 3, 32, Optimizer::adam, {0, 0, 0, no_clip, false}, true, false, Kind::dense},
    {"regression, three panels", {{{33, 70, {Activation::tanh, 0}}, {70, 33, {Activation::gelu, 0}},
       {33, 2, {}}}, {Loss::squared_error, 0}, true},
     90, 2, 17, Optimizer::momentum, {1e-3, 1e-4, 0, no_clip, false}, false, false, Kind::dense},
    {"dropout", {{{9, 65, {Activation::sigmoid, 0}}, {65, 40, {Activation::silu, 0}},
       {40, 1, {Activation::sigmoid, 0}}}, {Loss::binary_cross_entropy, 0}, true},
     130, 1, 50, Optimizer::adamw, {0, 0, 0.3, no_clip, false}, true, false, Kind::halves},
    {"clipped, weighted", {{{20, 33, {Activation::elu, 1}}, {33, 5, {Activation::sigmoid, 0}}},
      {Loss::squared_error, 0}, true},
     75, 5, 25, Optimizer::nadam, {1e-1, 0, 0, 0.05, true}, true, true, Kind::dense},
    {"batch of three chunks, dropout", {{{150, 100, {Activation::relu, 0}}, {100, 4, {}}},
      {Loss::huber, 1}, true},
     1600, 4, 1600, Optimizer::nesterov, {1e-4, 0, 0.1, no_clip, false}, false, true, Kind::dense},
    {"whole batch, no bias", {{{12, 18, {Activation::softplus, 0}}, {18, 2, {}}},
      {Loss::log_cosh, 0}, false},
     60, 2, 60, Optimizer::rprop, {0, 0, 0, no_clip, false}, false, false, Kind::dense},
    {"rprop, three panels of inputs", {{{70, 18, {Activation::tanh, 0}}, {18, 2, {}}},
      {Loss::squared_error, 0}, true},
     60, 2, 60, Optimizer::rprop, {0, 0, 0, no_clip, false}, false, false, Kind::dense},
    {"sparse, pairs of outputs", {{{200, 24, {Activation::mish, 0}}, {24, 4, {}}},
      {Loss::gaussian_nll, 0}, true},
     64, 2, 10, Optimizer::rmsprop, {0, 0, 0, no_clip, false}, true, false, Kind::sparse},
    {"pairs of positive outputs", {{{5, 9, {Activation::tanh, 0}},
       {9, 6, {Activation::softplus, 0}}}, {Loss::gaussian_nll, 0}, true},
     20, 3, 8, Optimizer::adagrad, {0, 0, 0, 0.5, false}, true, false, Kind::dense},
    {"small", {{{1, 1, {Activation::sin, 0}}, {1, 1, {Activation::exponential, 0}}},
      {Loss::poisson, 0}, true},
     3, 1, 2, Optimizer::gradient_descent, {0, 0, 0, no_clip, false}, false, false, Kind::dense},
};

// Random samples and parameters.
template <class T>
struct Data {
    explicit Data(const Problem& p)
        : X(p.rows * p.spec.inputs()), Y(p.rows * p.targets), weight(p.rows),
          parameters(p.spec.parameters()) {
        Random random(p.rows);
        const long in = p.spec.inputs();
        for (T& x : X) x = T(random.uniform(-1, 1));
        for (T& y : Y) y = T(random.uniform(0.2, 0.8));
        for (T& w : weight) w = T(random.uniform(0, 2));
        for (T& theta : parameters) theta = T(random.uniform(-0.3, 0.3));
        const auto matrix = [&](const std::vector<T>& of, long columns) {
            Source s;
            s.data = reinterpret_cast<const char*>(of.data());
            s.format = sizeof(T) == 4 ? 'f' : 'd';
            s.rows = p.rows, s.columns = columns;
            s.column_stride = sizeof(T), s.row_stride = columns * long(sizeof(T));
            return s;
        };
        samples.X = matrix(X, in);
        samples.Y = matrix(Y, p.targets);
        if (p.weights) samples.weight = matrix(weight, 1);
        if (p.kind == Kind::halves) {
            for (long i = 0; i < p.rows * in; i++) halves.push_back(uint16_t(random.below(0x3c00)));
            samples.X.data = reinterpret_cast<const char*>(halves.data());
            samples.X.format = 'e', samples.X.column_stride = 2, samples.X.row_stride = 2 * in;
        }
        if (p.kind == Kind::sparse) {
            for (long r = 0; r <= p.rows; r++) starts.push_back(int32_t(3 * r));
            for (long e = 0; e < 3 * p.rows; e++) indices.push_back(int32_t(random.below(in)));
            samples.X.indices = reinterpret_cast<const char*>(indices.data());
            samples.X.starts = reinterpret_cast<const char*>(starts.data());
        }
        unlabelled.X = samples.X;
    }
    Data(const Data&) = delete;

    std::vector<T> X, Y, weight, parameters;
    std::vector<uint16_t> halves;
    std::vector<int32_t> indices, starts;
    Samples samples, unlabelled;
};

}  // namespace chainrule::test

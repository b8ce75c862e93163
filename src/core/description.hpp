// What a network and its training are, in plain data; the names are those of the Python package.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace chainrule {

#define CHAINRULE_ENUMERATOR(name) name,
#define CHAINRULE_STRING(name) #name,
// An enumeration, and find<Kind>(name) for the one of a name.
template <class Kind>
Kind find(const std::string& name);
#define CHAINRULE_KINDS(Kind, LIST)                                             \
    enum class Kind { LIST(CHAINRULE_ENUMERATOR) };                             \
    template <>                                                                 \
    inline Kind find<Kind>(const std::string& name) {                           \
        int kind = 0;                                                           \
        for (const char* known : {LIST(CHAINRULE_STRING)})                      \
            if (name == known) return Kind(kind); else kind++;                  \
        throw std::invalid_argument("the core has no " #Kind " '" + name + "'"); \
    }

#define CHAINRULE_ACTIVATIONS(X)                                                           \
    X(identity) X(sigmoid) X(tanh) X(relu) X(leaky_relu) X(elu) X(selu) X(celu) X(gelu)    \
    X(silu) X(mish) X(softplus) X(softsign) X(hard_tanh) X(sin) X(gaussian) X(exponential) \
    X(softmax)
#define CHAINRULE_LOSSES(X)                                                             \
    X(squared_error) X(cross_entropy) X(binary_cross_entropy) X(absolute_error) X(huber) \
    X(log_cosh) X(poisson) X(gamma) X(quantile) X(hinge) X(gaussian_nll)
#define CHAINRULE_OPTIMIZERS(X)                                                      \
    X(gradient_descent) X(momentum) X(nesterov) X(rmsprop) X(adagrad) X(adam) X(adamw) \
    X(nadam) X(lion) X(rprop)
CHAINRULE_KINDS(Activation, CHAINRULE_ACTIVATIONS)
CHAINRULE_KINDS(Loss, CHAINRULE_LOSSES)
CHAINRULE_KINDS(Optimizer, CHAINRULE_OPTIMIZERS)

struct ActivationSpec {
    Activation kind = Activation::identity;
    double parameter = 0;  // the slope of leaky_relu, alpha of elu and celu; others have none

    // Whether sigma' follows from the output alone, so that nothing else need be kept.
    bool slope_from_output() const { return kind <= Activation::relu; }
};
struct LossSpec {
    Loss kind;
    double parameter;  // delta of huber, the level of quantile; others have none

    // Whether there is a curvature of it for second-order methods: none where it has corners.
    bool has_curvature() const {
        return kind != Loss::absolute_error && kind != Loss::quantile && kind != Loss::hinge;
    }
    // Whether this loss and an output activation cancel, and are computed together from rho.
    bool folds(Activation output) const {
        return (kind == Loss::cross_entropy && output == Activation::softmax) ||
               (kind == Loss::binary_cross_entropy && output == Activation::sigmoid) ||
               ((kind == Loss::poisson || kind == Loss::gamma) &&
                output == Activation::exponential);
    }
};
struct LayerSpec {
    long in, out;
    ActivationSpec activation;
};
struct NetworkSpec {
    std::vector<LayerSpec> layers;
    LossSpec loss;
    bool bias;

    long inputs() const { return layers.front().in; }
    long outputs() const { return layers.back().out; }
    long parameters() const {
        long n = 0;
        for (const auto& [in, out, activation] : layers) n += in * out + (bias ? out : 0);
        return n;
    }
};

}  // namespace chainrule

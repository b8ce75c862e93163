// What is compiled once for each instruction set, as a table of functions.
//
// Nothing of the standard library is among them: its functions would be compiled for that
// instruction set too, and the linker could take them for everybody's.
#pragma once

#include "description.hpp"
#include "panels.hpp"
#include "source.hpp"

namespace chainrule {

// One layer, ready for products: phi = sigma(inputs W + bias) with W of in x out entries.
template <class T>
struct Layer {
    long in, out;
    ActivationSpec activation;
    Panels<T> W, W_transposed;  // the transpose is missing where nothing goes back
    T* bias;                    // null for none
};

// One step of an optimizer: the numbers in its rule, which do not depend on the parameter.
template <class T>
struct Update {
    Optimizer kind;
    T eta, momentum, beta1, rest1, beta2, rest2, unbias2, epsilon, by_m, by_g, kept, weight_decay;
    T grow, shrink, smallest, largest;
    T scale;  // of the gradient
};

// Which outputs of one layer are dropped in one step.
struct Dropout {
    uint64_t key;
    uint32_t threshold;  // a random number below it drops
    long first_row;      // of these samples in their batch
    double scale;        // of those that are kept
};

// Two rows of a matrix.
struct UnitPair {
    int first, second;
};

// Rows are given as [first, last).
template <class T>
struct Kernels {
    // The function that reads a row of this source as a row of panels.
    void (*(*gather_for)(const Source&))(const Source&, long row, T* to, long panel_stride);
    // phi = sigma(rho) of a layer, and sigma'(rho) where slopes are wanted.
    void (*forward)(const Layer<T>&, long first, long last, Panels<T> inputs, Panels<T> phi,
                    Panels<T> slopes);
    // lambda of the layer below: (lambda W^T) o sigma'(rho), the slope from `slopes` or, where
    // there are none, from the outputs phi of the layer below.
    void (*backward)(const Layer<T>&, long first, long last, Panels<T> lambda,
                     const ActivationSpec& below, Panels<T> phi, Panels<T> slopes,
                     Panels<T> lambda_below);
    // The same for the output layer, whose omega becomes lambda in place; softmax takes phi.
    void (*through_output)(const ActivationSpec&, long first, long last, long n, Panels<T> omega,
                           Panels<T> slopes_or_phi);
    void (*softmax)(long first, long last, long n, Panels<T> rho);
    void (*drop)(const Dropout&, long first, long last, long n, Panels<T> phi, Panels<T> slopes);
    // Losses of n outputs phi, which become their derivatives times each row's share; where the
    // loss and the output activation fold, of rho.
    void (*losses)(const LossSpec&, bool folded, long first, long last, long n, Panels<T> outputs,
                   Panels<T> targets, const T* share, double* row_loss);
    // The curvature of the loss by each of n outputs phi, or by rho where it folds, times each
    // row's share.
    void (*curvature)(const LossSpec&, bool folded, long first, long last, long n,
                      Panels<T> outputs, Panels<T> targets, const T* share, Panels<T> h);
    // rho_dot of a layer: inputs_dot W + inputs W_dot + bias_dot; without inputs_dot, these rest.
    // With an activation, phi_dot = sigma'(rho) o rho_dot, the slope as in `backward`.
    void (*tangent)(const Layer<T>&, const Layer<T>& dot, long first, long last, Panels<T> inputs,
                    Panels<T> inputs_dot, const ActivationSpec&, Panels<T> phi, Panels<T> slopes,
                    Panels<T> out);
    // Products of units, see products.hpp.
    void (*multiply_pairs)(long samples, const UnitPair* pairs, long count, long passes,
                           long pass_rows, Panels<T> units, Panels<T> to);
    // One block of panel x panel entries of the gradient of a layer's weights, of its biases.
    void (*gradient_block)(long n, const T* phi, const T* lambda, long rows, long columns,
                           bool add, T* g);
    void (*sum_rows)(long n, const T* lambda, bool add, T* sums);
    double (*squares)(const T* g, long rows, long columns);
    double (*add_penalty)(T l2, T l1, const T* w, T* g, long rows, long columns);
    void (*update)(const Update<T>&, T* theta, T* state1, T* state2, const T* g, long rows,
                   long columns);
    void (*transpose_block)(const T* from, T* to, long rows, long columns);
    // Outputs of one layer for one sample, with weights as the user holds them: out x in. Both
    // arrays have room for whole panels.
    void (*one_row)(const LayerSpec&, const T* W, const T* bias, const T* x, T* outputs);
};

// The kernels of the best instruction set that this machine has, or of the lower one that the
// environment variable CHAINRULE_INSTRUCTION_SET names; and its name.
template <class T>
const Kernels<T>& kernels();
const char* instruction_set();

}  // namespace chainrule

// The kernels for one instruction set: compiled once for each, with CHAINRULE_ISA as its name.
#include "kernels.hpp"

#include "activations.hpp"
#include "losses.hpp"
#include "optimizers.hpp"
#include "products.hpp"
#include "random.hpp"
#include "rows.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T>
void multiply_by(const T* factors, T* values, long rows, int vectors) {
    for (long r = 0; r < rows; r++)
        for (long i = r * panel<T>; i < r * panel<T> + vectors * lanes<T>; i += lanes<T>)
            store(values + i, load(values + i) * load(factors + i));
}

template <class T>
void forward(const Layer<T>& layer, long first, long last, Panels<T> inputs, Panels<T> phi,
             Panels<T> slopes) {
    const auto activate_rows = [&](long p, long from, long to) {
        if (layer.activation.kind != Activation::identity || slopes.data)
            activate<T>(layer.activation, phi.at(p, from),
                        slopes.data ? slopes.at(p, from) : nullptr, to - from,
                        vectors_in<T>(layer.out - p * panel<T>));
    };
    if (layer.out > narrow || !layer.W_transposed.data)
        return multiply<T>(first, last, layer.in, layer.out, inputs, layer.W, layer.bias, phi,
                           activate_rows);
    multiply_narrow<T>(first, last, layer.in, layer.out, inputs, layer.W_transposed, layer.bias,
                       phi);
    activate_rows(0, first, last);
}

// Derivatives by phi of one panel of a layer's n outputs become those by rho, or velocities of rho
// those of phi: both are multiplied by sigma'(rho), from `slopes` or, where there are none, from phi.
template <class T>
void through_panel(const ActivationSpec& activation, Panels<T> values, Panels<T> phi,
                   Panels<T> slopes, long p, long from, long to, long n) {
    const int vectors = vectors_in<T>(n - p * panel<T>);
    if (slopes.data)
        multiply_by(slopes.at(p, from), values.at(p, from), to - from, vectors);
    else if (activation.kind != Activation::identity)
        multiply_by_slope<T>(activation, values.at(p, from), phi.at(p, from), to - from, vectors);
}

template <class T>
void backward(const Layer<T>& layer, long first, long last, Panels<T> lambda,
              const ActivationSpec& below, Panels<T> phi, Panels<T> slopes,
              Panels<T> lambda_below) {
    multiply<T>(first, last, layer.out, layer.in, lambda, layer.W_transposed, nullptr,
                lambda_below, [&](long p, long from, long to) {
        through_panel<T>(below, lambda_below, phi, slopes, p, from, to, layer.in);
    });
}

template <class T>
void tangent(const Layer<T>& layer, const Layer<T>& dot, long first, long last, Panels<T> inputs,
             Panels<T> inputs_dot, const ActivationSpec& activation, Panels<T> phi,
             Panels<T> slopes, Panels<T> out) {
    const auto nothing = [](long, long, long) {};
    const auto through = [&](long p, long from, long to) {
        through_panel<T>(activation, out, phi, slopes, p, from, to, layer.out);
    };
    if (!inputs_dot.data)
        return multiply<T>(first, last, layer.in, layer.out, inputs, dot.W, dot.bias, out, through);
    multiply<T>(first, last, layer.in, layer.out, inputs, dot.W, dot.bias, out, nothing);
    multiply<T>(first, last, layer.in, layer.out, inputs_dot, layer.W, nullptr, out, through, true);
}

template <class T>
void through_output(const ActivationSpec& activation, long first, long last, long n,
                    Panels<T> omega, Panels<T> slopes_or_phi) {
    if (activation.kind == Activation::softmax)
        return softmax_pull_back<T>(first, last, n, omega, slopes_or_phi);
    for (long p = 0; p * panel<T> < n; p++)
        multiply_by(slopes_or_phi.at(p, first), omega.at(p, first), last - first,
                    vectors_in<T>(n - p * panel<T>));
}

template <class T>
void drop(const Dropout& dropout, long first, long last, long n, Panels<T> phi,
          Panels<T> slopes) {
    const T scale = T(dropout.scale);
    for (long r = first; r < last; r++) {
        for (long p = 0; p * panel<T> < n; p++) {
            const uint32_t index = uint32_t((dropout.first_row + r) * n + p * panel<T>);
            T *outputs = phi.at(p, r), *slope = slopes.at(p, r);
            for (long c = 0; c < panel<T>; c++) {
                const bool kept = random32(dropout.key, index + uint32_t(c)) >= dropout.threshold;
                outputs[c] *= kept ? scale : T(0);
                slope[c] *= kept ? scale : T(0);
            }
        }
    }
}

template <class T>
void one_row(const LayerSpec& layer, const T* W, const T* bias, const T* x, T* outputs) {
    const long whole = layer.in / lanes<T> * lanes<T>;
    for (long o = 0; o < layer.out; o += lanes<T>) {
        // A vector of products for each of as many outputs. Where outputs run out, the last one is
        // computed again.
        Vec<T> products[lanes<T>] = {};
        const T* rows[lanes<T>];
        for (int i = 0; i < lanes<T>; i++)
            rows[i] = W + (o + i < layer.out ? o + i : layer.out - 1) * layer.in;
        for (long k = 0; k < whole; k += lanes<T>) {
            const Vec<T> x_k = load(x + k);
            CHAINRULE_UNROLL(16)
            for (int i = 0; i < lanes<T>; i++) products[i] += x_k * load_unaligned(rows[i] + k);
        }
        store<T>(outputs + o, sum_rows_of<T, 1>(products, std::make_index_sequence<lanes<T>>()));
        for (long k = whole; k < layer.in; k++)
            for (int i = 0; i < lanes<T>; i++) outputs[o + i] += x[k] * rows[i][k];
    }
    for (long o = 0; bias && o < layer.out; o++) outputs[o] += bias[o];
    if (layer.activation.kind == Activation::softmax)
        softmax<T>(0, 1, layer.out, {outputs, panel<T>});
    else
        activate<T>(layer.activation, outputs, nullptr, 1, int(ceil_div(layer.out, lanes<T>)));
}

template <class T>
constexpr Kernels<T> table = {
    gather_for<T>, forward<T>, backward<T>, through_output<T>, softmax<T>, drop<T>, losses<T>,
    curvature<T>, tangent<T>, multiply_pairs<T>, gradient_block<T>, sum_rows<T>, squares<T>, add_penalty<T>, update<T>, transpose_block<T>,
    one_row<T>,
};

const Kernels<float>& kernels_float32() { return table<float>; }
const Kernels<double>& kernels_float64() { return table<double>; }

}  // namespace chainrule::CHAINRULE_ISA

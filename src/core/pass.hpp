// One forward and one backward pass over a chunk of samples: the lambda form of
// chainrule/equations.py, with samples as rows.
#pragma once

#include <cmath>

#include "model.hpp"

namespace chainrule {

// How far the way back goes: nowhere, to the first layer's parameters, or to X. With all slopes,
// sigma'(rho) of every hidden layer is kept, also where it follows from phi.
struct WayBack {
    bool to_parameters, to_inputs, all_slopes;
};

template <class T>
class Pass {
  public:
    // For up to `capacity` samples at a time.
    Pass(const Model<T>& model, const Samples& samples, long capacity, const WayBack& way)
        : model_(model), samples_(samples), gather_x_(model.kernels.gather_for(samples.X)),
          gather_y_(model.kernels.gather_for(samples.Y)),
          gather_weight_(model.kernels.gather_for(samples.weight)),
          folded_(samples.Y.data && model.spec.loss.folds(output().kind)) {
        const long rows = round_up(capacity, 8) + 4;  // neighbouring panels shift in the cache
        phi_.emplace_back(rows, model.spec.inputs());
        lambda_.push_back(way.to_inputs ? Matrix<T>(rows, model.spec.inputs()) : Matrix<T>());
        slopes_.emplace_back();
        for (const auto& [in, out, activation] : model.spec.layers) {
            const bool last = slopes_.size() == model.spec.layers.size();
            const bool kept = last ? activation.kind != Activation::identity && !folded_
                                   : way.all_slopes || !activation.slope_from_output();
            const bool back = way.to_parameters || way.to_inputs;
            phi_.emplace_back(rows, out);
            lambda_.push_back(back && !last ? Matrix<T>(rows, out) : Matrix<T>());
            slopes_.push_back(back && kept ? Matrix<T>(rows, out) : Matrix<T>());
        }
        targets_ = Matrix<T>(rows, model.spec.outputs());
        share_ = Buffer<T>(rows);
        weight_ = Buffer<double>(rows);
        loss_ = Buffer<double>(rows);
    }

    // For rows [first, last) of the chunk that starts at sample `start` of the order: the
    // samples and all outputs. Those of the last layer stay rho if the loss folds.
    void forward(long start, long first, long last, const Dropout* dropout) {
        for (long r = first; r < last; r++) {
            prefetch(start + r);
            gather_x_(samples_.X, samples_.row(start + r), phi_[0].at(0, r), phi_[0].stride);
        }
        for (std::size_t l = 1; l <= n_layers(); l++) {
            Layer<T> layer = model_.layers[l - 1];
            const bool softmax = layer.activation.kind == Activation::softmax;
            if (softmax || (l == n_layers() && folded_)) layer.activation = {};
            model_.kernels.forward(layer, first, last, phi_[l - 1], phi_[l], slopes_[l]);
            if (dropout && l < n_layers())
                model_.kernels.drop(dropout[l - 1], first, last, layer.out, phi_[l], slopes_[l]);
        }
        if (output().kind == Activation::softmax && !folded_) {
            model_.kernels.softmax(first, last, n_outputs(), outputs());
            for (long p = 0; slopes_.back().data && p < panels_for<T>(n_outputs()); p++)
                std::memcpy(slopes_.back().at(p, first), outputs().at(p, first),
                            (last - first) * 128);
        }
    }

    // Losses, and lambda of the last layer in place of its outputs; `total` is the weight of all
    // samples that the cost averages over. Before that, the curvature of C by those outputs, if
    // it has a place to go.
    void losses(long start, long first, long last, double total, Panels<T> h = {}) {
        for (long r = first; r < last; r++) {
            gather_y_(samples_.Y, samples_.row(start + r), targets_.at(0, r), targets_.stride);
            weight_.get()[r] = weight_of(start + r);
            share_.get()[r] = total ? T(weight_.get()[r] / total) : T(0);
        }
        if (h.data)
            model_.kernels.curvature(model_.spec.loss, folded_, first, last, n_outputs(),
                                     outputs(), targets_, share_.get(), h);
        model_.kernels.losses(model_.spec.loss, folded_, first, last, n_outputs(), outputs(),
                              targets_, share_.get(), loss_.get());
        if (!folded_) through_output(first, last);
    }

    // Instead: the cost that is output k alone, whose omega is 1 there and 0 elsewhere.
    void one_output(long k, long first, long last) {
        clear_outputs(first, last);
        for (long r = first; r < last; r++) output_of(k, r) = 1;
        through_output(first, last);
    }

    // Instead: column k of an S with S S^T = H, the curvature of C by the last layer. Its diagonal
    // is h, or H is diag(h) - h h^T / sum(h).
    void root(long k, Panels<T> h, long first, long last) {
        clear_outputs(first, last);
        for (long r = first; r < last; r++) {
            const T size = std::sqrt(h.at(k / panel<T>, r)[k % panel<T>]);
            if (centred()) {
                const T total = sum_of(h, r), part = total == 0 ? T(0) : size / total;
                for_outputs([&](long p, long c) { outputs().at(p, r)[c] = -part * h.at(p, r)[c]; });
            }
            output_of(k, r) += size;
        }
        if (!folded_) through_output(first, last);
    }

    // Instead: H times these velocities of rho of the last layer.
    void curve(Panels<T> rho_dot, Panels<T> h, long first, long last) {
        for (long p = 0; p < panels_for<T>(n_outputs()); p++)
            std::memcpy(outputs().at(p, first), rho_dot.at(p, first), (last - first) * 128);
        if (!folded_) through_output(first, last);  // the transpose of which is the same
        for (long r = first; r < last; r++) {
            T mean = 0;
            if (centred()) {
                for_outputs([&](long p, long c) { mean += h.at(p, r)[c] * outputs().at(p, r)[c]; });
                const T total = sum_of(h, r);
                mean = total == 0 ? T(0) : mean / total;
            }
            for_outputs([&](long p, long c) {
                outputs().at(p, r)[c] = h.at(p, r)[c] * (outputs().at(p, r)[c] - mean);
            });
        }
        if (!folded_) through_output(first, last);
    }

    // The forward derivative after `forward`, for parameters that move with these velocities:
    // phi_dot of the hidden layers, then rho_dot of the last. Dots count as phi does.
    void tangent(const std::vector<Layer<T>>& velocities, const std::vector<Matrix<T>>& dots,
                 long first, long last) {
        for (std::size_t l = 1; l <= n_layers(); l++) {
            const ActivationSpec activation =
                l < n_layers() ? model_.layers[l - 1].activation : ActivationSpec{};
            model_.kernels.tangent(model_.layers[l - 1], velocities[l - 1], first, last,
                                   phi_[l - 1], dots[l - 1], activation, phi_[l],
                                   l < n_layers() ? Panels<T>(slopes_[l]) : Panels<T>{}, dots[l]);
        }
    }

    void backward(long first, long last) {
        for (std::size_t l = n_layers(); l > 0; l--) {
            if (!lambda_[l - 1].data) return;  // nobody asks for derivatives by the inputs
            const ActivationSpec below = l > 1 ? model_.layers[l - 2].activation : ActivationSpec{};
            model_.kernels.backward(model_.layers[l - 1], first, last, lambda(l), below,
                                    phi_[l - 1], slopes_[l - 1], lambda_[l - 1]);
        }
    }

    // The gradient of one block of weights, and of its biases, over the first n samples.
    void gradient(const Block& block, long n, bool add, T* by_weights, T* by_biases) const {
        const T* lambda_panel = lambda(block.layer + 1).at(block.output_panel, 0);
        model_.kernels.gradient_block(n, phi_[block.layer].at(block.input_panel, 0), lambda_panel,
                                      block.rows, block.columns, add, by_weights);
        if (block.has_bias) model_.kernels.sum_rows(n, lambda_panel, add, by_biases);
    }

    // The summed losses of the first n samples, each times its weight, in a fixed order.
    double loss(long n) const {
        double sums[4] = {};
        for (long r = 0; r < n; r++) sums[r % 4] += weight_.get()[r] * loss_.get()[r];
        return (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
    double total_weight(long first, long last) const {  // of these samples of the order
        if (!samples_.weight.data) return double(last - first);
        double total = 0;
        for (long i = first; i < last; i++) total += weight_of(i);
        return total;
    }

    const Matrix<T>& phi(std::size_t l) const { return phi_[l]; }
    const Matrix<T>& lambda(std::size_t l) const { return l == n_layers() ? phi_[l] : lambda_[l]; }
    const Matrix<T>& outputs() const { return phi_.back(); }
    const Matrix<T>& by_inputs() const { return lambda_[0]; }
    // Whether the columns of S have but one entry each.
    bool separate_outputs() const { return output().kind != Activation::softmax; }

  private:
    std::size_t n_layers() const { return model_.layers.size(); }
    long n_outputs() const { return model_.spec.outputs(); }
    const ActivationSpec& output() const { return model_.spec.layers.back().activation; }

    // Whether H is diag(h) - h h^T / sum(h), which has no say in a direction common to all outputs.
    bool centred() const { return folded_ && !separate_outputs(); }

    T& output_of(long k, long r) const { return outputs().at(k / panel<T>, r)[k % panel<T>]; }
    void clear_outputs(long first, long last) {
        for (long p = 0; p < panels_for<T>(n_outputs()); p++)
            std::memset(outputs().at(p, first), 0, (last - first) * 128);
    }
    template <class Work>
    void for_outputs(const Work& work) const {
        for (long k = 0; k < n_outputs(); k++) work(k / panel<T>, k % panel<T>);
    }
    T sum_of(Panels<T> h, long r) const {
        T sum = 0;
        for_outputs([&](long p, long c) { sum += h.at(p, r)[c]; });
        return sum;
    }

    void through_output(long first, long last) {
        if (slopes_.back().data)
            model_.kernels.through_output(output(), first, last, n_outputs(), outputs(),
                                          slopes_.back());
    }

    double weight_of(long i) const {
        if (!samples_.weight.data) return 1;
        T weight;
        gather_weight_(samples_.weight, samples_.row(i), &weight, 0);
        return weight;
    }

    // Shuffled rows are where no hardware expects them: ask for those about 8 KiB ahead.
    void prefetch(long i) const {
        const Source& x = samples_.X;
        if (!samples_.order || x.starts || x.column_stride < 1 || x.column_stride > 8) return;
        const long bytes = x.columns * x.column_stride;
        const long ahead = i + std::min(64l, 1 + 8192 / bytes);
        if (ahead >= x.rows) return;
        const char* row = x.row(samples_.row(ahead));
        for (long b = 0; b < bytes; b += 64) __builtin_prefetch(row + b);
    }

    const Model<T>& model_;
    const Samples& samples_;
    const decltype(Kernels<T>::gather_for({})) gather_x_, gather_y_, gather_weight_;
    const bool folded_;
    // By layer, from 0: outputs, dC/drho (of the last layer in place of its outputs; of layer 0
    // dC/dX) and sigma'(rho) (of a softmax its outputs).
    std::vector<Matrix<T>> phi_, lambda_, slopes_;
    Matrix<T> targets_;
    Buffer<T> share_;
    Buffer<double> weight_, loss_;
};

}  // namespace chainrule

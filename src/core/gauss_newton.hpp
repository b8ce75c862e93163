// The generalised Gauss-Newton matrix G = sum_i J_i^T H_i J_i of C, and its product with a vector.
//
// With H_i = S_i S_i^T, each column of S_i starts one backward pass, whose lambdas are those of
// pairs.hpp; chainrule/engines/gauss_newton.py is the same in NumPy. All of it is in double.
#pragma once

#include <deque>

#include "evaluate.hpp"
#include "pairs.hpp"

namespace chainrule {

// The sums that G consists of, and the way from there to G. The work is cut into parts that may be
// done side by side.
class GaussNewtonSums {
  public:
    // For up to `rows` samples at a time. With `separate_outputs`, no pass starts from two outputs.
    GaussNewtonSums(const NetworkSpec& spec, long rows, bool separate_outputs)
        : kernels_(kernels<double>()), layers_(spec.layers), n_parameters_(spec.parameters()) {
        long flat = 0;
        for (const auto& [in, out, activation] : layers_) {
            phis_.push_back({n_phis_, in}), lambdas_.push_back({n_lambdas_, out});
            n_phis_ += round_up(in, row_unit), n_lambdas_ += round_up(out, row_unit);
            weights_.push_back(flat), biases_.push_back(flat + in * out);
            flat += in * out + (spec.bias ? out : 0);
        }
        phi_units_ = Matrix<double>(n_phis_ + 1, rows);
        lambda_units_ = Matrix<double>(spec.outputs() * n_lambdas_, rows);
        for (long s = 0; s < rows; s++)  // what a bias is multiplied by
            phi_units_.at(s / panel<double>, n_phis_)[s % panel<double>] = 1;
        for (Units& phis : phis_) phis.another = spec.bias ? n_phis_ : -1;
        cut(separate_outputs);
    }

    // How many samples at a time: their units take some megabytes. The network alone decides, or
    // bits would change.
    static long rows_at_once(const NetworkSpec& spec) {
        long units = 0;
        for (const auto& [in, out, activation] : spec.layers)
            units += round_up(in, row_unit) + spec.outputs() * round_up(out, row_unit);
        return std::clamp((1l << 20) / units / panel<double> * panel<double>, panel<double>, 512l);
    }

    // Takes rows [first, last) of a pass: phi; and lambda of the backward pass from column k of S.
    void take_phi(const Pass<double>& pass, long first, long last) const {
        for (std::size_t L = 0; L < layers_.size(); L++)
            transpose(pass.phi(L), first, last, layers_[L].in, phi_units_, phis_[L].start);
    }
    void take_lambda(const Pass<double>& pass, long k, long first, long last) const {
        for (std::size_t L = 0; L < layers_.size(); L++)
            transpose(pass.lambda(L + 1), first, last, layers_[L].out, lambda_units_,
                      k * n_lambdas_ + lambdas_[L].start);
    }

    // Adds n samples to the sums; the parts are in the order of their size, largest first.
    long parts() const { return long(tiles_.size()); }
    void add(long part, long n, PairSums::Scratch& scratch) const {
        const PairSums::Tile& tile = tiles_[order_[part]];
        tile.of->add(tile, n, {lambda_units_, layers_.back().out, n_lambdas_}, {phi_units_, 1, 0},
                     kernels_, scratch);
    }

    // Writes the upper triangle of G, a part for each unit, with room for so many numbers; then,
    // from that, the lower one.
    long longest_block() const {
        long most = 0;
        for (const Block& block : blocks_) most = std::max(most, block.sums.phis().count());
        return most;
    }
    long upper_parts() const {
        long units = 0;
        for (const LayerSpec& layer : layers_) units += layer.out;
        return units;
    }
    void write_upper(long part, double* G, double* sums) const {
        std::size_t L = 0;
        for (; part >= layers_[L].out; L++) part -= layers_[L].out;
        for (std::size_t M = L; M < layers_.size(); M++)
            for (long k = L == M ? part : 0; k < layers_[M].out; k++)
                write_block(L, part, M, k, G, sums);
    }
    long lower_parts() const { return ceil_div(n_parameters_, square); }
    void write_lower(long part, double* G) const {
        const long P = n_parameters_, first = part * square, last = std::min(P, first + square);
        for (long c0 = 0; c0 < last; c0 += square)
            for (long r = first; r < last; r++)
                for (long c = c0; c < std::min(r, c0 + square); c++) G[r * P + c] = G[c * P + r];
    }

  private:
    static constexpr long square = 32;  // rows and columns of it stay in the first level cache

    struct Block {  // for one pair of layers
        PairSums sums;
        std::size_t first_tile;
    };

    void cut(bool separate_outputs) {
        const std::size_t l = layers_.size();
        for (std::size_t L = 0; L < l; L++)
            for (std::size_t M = L; M < l; M++) {
                const Pairs::Kind kind = L == M ? Pairs::ordered : Pairs::all;
                const bool separate = L == M && M + 1 == l && separate_outputs;
                const Pairs lambdas{separate ? Pairs::equal : kind, lambdas_[L], lambdas_[M]};
                blocks_.push_back({{lambdas, {kind, phis_[L], phis_[M]}}, tiles_.size()});
                for (const auto& tile : blocks_.back().sums.tiles()) tiles_.push_back(tile);
            }
        long size = 0;
        for (const auto& tile : tiles_) size += tile.size();
        memory_ = Buffer<double>(size);
        double* next = memory_.get();
        for (auto& tile : tiles_) {
            tile.sums = {next, round_up(tile.rows, panel<double>) * panel<double>};
            next += tile.size();
            order_.push_back(order_.size());
        }
        std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
            return tiles_[a].size() > tiles_[b].size();
        });
    }
    const Block& block(std::size_t L, std::size_t M) const {
        return blocks_[L * layers_.size() - L * (L + 1) / 2 + M];
    }

    // Units become rows from this one on, their samples columns.
    void transpose(const Matrix<double>& from, long first, long last, long units,
                   const Matrix<double>& to, long row) const {
        for (long r = first; r < last; r += panel<double> / 2)
            for (long u = 0; u < units; u += panel<double>)
                kernels_.transpose_block(from.at(u / panel<double>, r),
                                         to.at(r / panel<double>, row + u) + r % panel<double>,
                                         panel<double> / 2, std::min(panel<double>, units - u));
    }

    // Where in the flat array the derivative by the weight from unit a to unit j of a layer is,
    // or after all of these by the bias.
    long place(std::size_t L, long j, long a) const {
        return a < layers_[L].in ? weights_[L] + j * layers_[L].in + a : biases_[L] + j;
    }

    // The products of derivatives by the parameters of unit j of layer L with those of unit k of
    // layer M.
    void write_block(std::size_t L, long j, std::size_t M, long k, double* G,
                     double* sums) const {
        const Block& block = this->block(L, M);
        const Pairs& phis = block.sums.phis();
        const long P = n_parameters_, in = layers_[M].in;
        if (block.sums.lambdas().kind == Pairs::equal && j != k)
            std::fill_n(sums, phis.count(), 0.0);
        else
            block.sums.read(&tiles_[block.first_tile], j, k, sums);
        const double* from = sums;
        for (long a = 0; a < phis.first.size(); a++) {
            double* row = G + place(L, j, a) * P;
            const long b = L == M ? a : 0;
            std::copy_n(from, in - b, row + place(M, k, b));
            from += in - b;
            if (phis.second.size() > in) row[place(M, k, in)] = *from++;
        }
        if (L < M) return;
        const long n = phis.first.size();  // the same for the other order of phis
        for (long a0 = 0; a0 < n; a0 += square)
            for (long b0 = 0; b0 <= a0; b0 += square)
                for (long a = a0; a < std::min(n, a0 + square); a++)
                    for (long b = b0; b < std::min(a, b0 + square); b++)
                        G[place(L, j, a) * P + place(L, k, b)] =
                            G[place(L, j, b) * P + place(L, k, a)];
        for (long a = 0; a < n && j < k; a++) {  // and of lambdas
            const double* from = G + place(L, j, a) * P;
            double* to = G + place(L, k, a) * P;
            std::copy_n(from + place(L, k, 0), in, to + place(L, j, 0));
            if (n > in) to[place(L, j, in)] = from[place(L, k, in)];
        }
    }

    const Kernels<double>& kernels_;
    const std::vector<LayerSpec> layers_;
    const long n_parameters_;
    std::vector<long> weights_, biases_;  // where they start in the user's array
    std::vector<Units> phis_, lambdas_;   // by layer, from 0: its inputs, its outputs
    long n_phis_ = 0, n_lambdas_ = 0;
    Matrix<double> phi_units_, lambda_units_;  // units as rows; lambdas of each pass in turn
    std::deque<Block> blocks_;                 // which tiles point to
    std::vector<PairSums::Tile> tiles_;
    std::vector<std::size_t> order_;
    Buffer<double> memory_;  // of the sums
};

// Hands out the parts of a piece of work to whoever asks: threads that were slow get fewer.
class Parts {
  public:
    void reset() { next_ = 0; }
    template <class Work>
    void share(long count, const Work& work) {
        for (long part; (part = next_++) < count;) work(part);
    }

  private:
    std::atomic<long> next_{0};
};

// Returns C; writes its gradient by the flat parameters, and G, both triangles of it.
inline double normal_equations(const NetworkSpec& spec, const double* parameters,
                               const Samples& samples, int threads, double* by_parameters,
                               double* G, const Interrupted& interrupted) {
    const long rows = samples.X.rows, out = spec.outputs();
    Model<double> model(spec, 1);
    const long chunk = std::min(rows, GaussNewtonSums::rows_at_once(spec));
    Pass<double> pass(model, samples, chunk, {true, false, false});
    const GaussNewtonSums sums(spec, round_up(chunk, panel<double>), pass.separate_outputs());
    // Of each sample: H, and lambda of the gradient while the other passes have its place.
    const Matrix<double> h(round_up(chunk, 8), out), lambda(round_up(chunk, 8), out);
    const auto move_lambda = [&](const Matrix<double>& from, const Matrix<double>& to, long first,
                                 long last) {
        for (long p = 0; p < panels_for<double>(out); p++)
            std::memcpy(to.at(p, first), from.at(p, first), (last - first) * 128);
    };
    struct Scratch {
        explicit Scratch(long longest_block) : block(longest_block) {}
        PairSums::Scratch pairs;
        std::vector<double> block;
    };
    std::deque<Scratch> scratch;
    for (int t = 0; t < std::max(1, threads); t++) scratch.emplace_back(sums.longest_block());
    Arrays<double> gradient = arrays_for<double>(spec);
    const double total = pass.total_weight(0, rows);
    double loss = 0;
    Stop stop(interrupted);
    Parts adding[2], upper, lower;
    run_team(threads, [&](Member me) {
        for_blocks(me, model, [&](const Block& block) { model.read(block, parameters); });
        me.barrier.wait();
        for_chunks(me, rows, chunk, stop, [&](long start, long first, long last) {
            pass.forward(start, first, last, nullptr);
            pass.losses(start, first, last, total, h);
            move_lambda(pass.outputs(), lambda, first, last);
            for (long k = 0; k < out; k++) {
                pass.root(k, h, first, last);
                pass.backward(first, last);
                sums.take_lambda(pass, k, first, last);
            }
            move_lambda(lambda, pass.outputs(), first, last);
            pass.backward(first, last);
            sums.take_phi(pass, first, last);
        }, [&](long start, long n) {
            if (me.index == 0) {
                loss += pass.loss(n);
                adding[(start / chunk + 1) % 2].reset();
            }
            add_gradient(me, model, pass, n, start > 0, gradient);
            adding[start / chunk % 2].share(sums.parts(), [&](long part) {
                sums.add(part, n, scratch[me.index].pairs);
            });
        });
        for_blocks(me, model, [&](const Block& block) {
            model.copy_out(block, by_parameters, gradient);
        });
        upper.share(sums.upper_parts(), [&](long part) {
            sums.write_upper(part, G, scratch[me.index].block.data());
        });
        me.barrier.wait();
        lower.share(sums.lower_parts(), [&](long part) { sums.write_lower(part, G); });
    });
    return total ? loss / total : 0;
}

// Writes G times a vector: the velocities of the outputs when the parameters move along it, then
// the gradient of H times these. For any number of parameters, in the memory of a gradient.
inline void curvature_product(const NetworkSpec& spec, const double* parameters,
                              const double* vector, const Samples& samples, int threads,
                              double* product, const Interrupted& interrupted) {
    const long rows = samples.X.rows, chunk = std::min(rows, chunk_rows(spec));
    Model<double> model(spec, 1), along(spec, spec.layers.size());
    Pass<double> pass(model, samples, chunk, {true, false, false});
    const long capacity = round_up(chunk, 8) + 4;
    const Matrix<double> h(capacity, spec.outputs());
    std::vector<Matrix<double>> dots(1);  // of the inputs: they do not move
    for (const LayerSpec& layer : spec.layers) dots.emplace_back(capacity, layer.out);
    Arrays<double> gradient = arrays_for<double>(spec);
    const double total = pass.total_weight(0, rows);
    Stop stop(interrupted);
    run_team(threads, [&](Member me) {
        for_blocks(me, model, [&](const Block& block) {
            model.read(block, parameters);
            along.read(block, vector);
        });
        me.barrier.wait();
        for_chunks(me, rows, chunk, stop, [&](long start, long first, long last) {
            pass.forward(start, first, last, nullptr);
            pass.tangent(along.layers, dots, first, last);
            pass.losses(start, first, last, total, h);
            pass.curve(dots.back(), h, first, last);
            pass.backward(first, last);
        }, [&](long start, long n) { add_gradient(me, model, pass, n, start > 0, gradient); });
        for_blocks(me, model, [&](const Block& block) {
            model.copy_out(block, product, gradient);
        });
    });
}

}  // namespace chainrule

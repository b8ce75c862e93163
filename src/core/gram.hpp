// The sums over samples that the Gauss-Newton matrix G consists of, and the way from there to G.
#pragma once

#include <deque>

#include "pairs.hpp"
#include "pass.hpp"

namespace chainrule {

// For each pair of layers L <= M, the products of their lambdas and phis of pairs.hpp. The work is
// cut into parts that may be done side by side.
class GramSums {
  public:
    // For up to `rows` samples at a time. With `separate_outputs`, no pass starts from two outputs.
    GramSums(const NetworkSpec& spec, long rows, bool separate_outputs)
        : kernels_(kernels<double>()), layers_(spec.layers), n_parameters_(spec.parameters()) {
        long flat = 0, phis = 0, lambdas = 0;
        for (const auto& [in, out, activation] : layers_) {
            phis_.push_back({phis, in}), lambdas_.push_back({lambdas, out});
            phis += round_up(in, row_unit), lambdas += round_up(out, row_unit);
            weights_.push_back(flat), biases_.push_back(flat + in * out);
            flat += in * out + (spec.bias ? out : 0);
        }
        one_ = phis++;  // what a bias is multiplied by
        for (Units& units : phis_) units.another = spec.bias ? one_ : -1;
        lambda_units_ = Matrix<double>(spec.outputs() * lambdas, rows);
        lambda_values_ = {lambda_units_, spec.outputs(), lambdas};
        const long n_weights = make_blocks(separate_outputs, phis);
        phi_units_ = Matrix<double>(phis + n_weights, rows);
        phi_values_ = {phi_units_, 1, 0};
        for (long s = 0; s < rows; s++) unit(phi_units_, one_, s) = 1;
        make_tiles();
    }
    GramSums(const GramSums&) = delete;

    // Takes rows [first, last) of a pass: lambda of the backward pass from column k of S; when
    // there are those of all columns, phi.
    void take_lambda(const Pass<double>& pass, long k, long first, long last) const {
        for (std::size_t L = 0; L < layers_.size(); L++)
            transpose(pass.lambda(L + 1), first, last, layers_[L].out, lambda_units_,
                      k * lambda_values_.pass_rows + lambdas_[L].start);
    }
    void take_phi(const Pass<double>& pass, long first, long last) const {
        for (std::size_t L = 0; L < layers_.size(); L++)
            transpose(pass.phi(L), first, last, layers_[L].in, phi_units_, phis_[L].start);
        for (const Block& block : blocks_)
            for (long w = 0; w < block.n_weights(); w++) {
                UnitPair pair[panel<double>];
                block.lambdas.list(w, 1, pair);
                for (long s = first; s < last; s++) {
                    double sum = 0;
                    for (long m = 0; m < lambda_values_.passes; m++) {
                        const long row = m * lambda_values_.pass_rows;
                        sum += unit(lambda_units_, row + pair->first, s) *
                               unit(lambda_units_, row + pair->second, s);
                    }
                    unit(phi_units_, block.first_weight + w, s) = sum;
                }
            }
    }

    // Adds the first n samples to the sums, the largest part first.
    long parts() const { return long(order_.size()); }
    void add(long part, long n, PairSums::Scratch& scratch) const {
        const PairSums::Tile& tile = tiles_[order_[part]];
        tile.of->add(tile, n, kernels_, scratch);
    }

    // Writes the upper triangle of G, a part for each unit, with room for so many numbers; then,
    // from that, the lower one.
    long longest_block() const {
        long most = 0;
        for (const Block& block : blocks_) most = std::max(most, block.phis.count());
        return most;
    }
    long upper_parts() const {
        long units = 0;
        for (const LayerSpec& layer : layers_) units += layer.out;
        return units;
    }
    void write_upper(long part, double* G, double* room) const {
        const Block* block = blocks_.data();
        for (; part >= layers_[block->L].out; block += layers_.size() - block->L)
            part -= layers_[block->L].out;
        for (std::size_t M = block->L; M < layers_.size(); M++, block++)
            for (long k = block->L == M ? part : 0; k < layers_[M].out; k++)
                write_block(*block, part, k, G, room);
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

    struct Block {  // a pair of layers, from 0
        std::size_t L, M;
        Pairs lambdas, phis;
        // Where lambdas are few, a product for each pair of them, the first row of which is this
        // one among the phis; else one product.
        long first_weight;
        std::size_t first_product;

        long n_weights() const { return lambdas.count() <= narrow ? lambdas.count() : 0; }
    };
    struct Product {
        PairSums sums;
        std::size_t first_tile;
    };

    // Returns how many rows beside phi, from this one on, hold pairs of lambdas.
    long make_blocks(bool separate_outputs, long first_weight) {
        const std::size_t l = layers_.size();
        const long before = first_weight;
        for (std::size_t L = 0; L < l; L++)
            for (std::size_t M = L; M < l; M++) {
                const Pairs::Kind kind = L == M ? Pairs::ordered : Pairs::all;
                const bool separate = L == M && M + 1 == l && separate_outputs;
                const Block block{L, M,
                                  {separate ? Pairs::equal : kind, lambdas_[L], lambdas_[M]},
                                  {kind, phis_[L], phis_[M]}, first_weight, products_.size()};
                const auto add = [&](const PairColumns& a, const PairColumns& b, bool upper) {
                    products_.push_back({{a, b, upper}, tiles_.size()});
                    for (const auto& tile : products_.back().sums.tiles()) tiles_.push_back(tile);
                };
                const Units one{one_, 1};
                for (long w = 0; w < block.n_weights(); w++)
                    add({{Pairs::all, {first_weight++, 1}, phis_[L]}, &phi_values_},
                        {{Pairs::all, phis_[M], one}, &phi_values_}, L == M);
                if (!block.n_weights())
                    add({block.lambdas, &lambda_values_}, {block.phis, &phi_values_}, false);
                blocks_.push_back(block);
            }
        return first_weight - before;
    }
    void make_tiles() {
        long size = 0;
        for (const auto& tile : tiles_) size += tile.size();
        memory_ = Buffer<double>(size);
        double* next = memory_.get();
        for (std::size_t t = 0; t < tiles_.size(); t++) {
            PairSums::Tile& tile = tiles_[t];
            tile.sums = {next, round_up(tile.rows, panel<double>) * panel<double>};
            next += tile.size();
            if (tile.rows) order_.push_back(t);
        }
        std::stable_sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
            return tiles_[a].size() > tiles_[b].size();
        });
    }

    static double& unit(const Matrix<double>& units, long row, long sample) {
        return units.at(sample / panel<double>, row)[sample % panel<double>];
    }
    // Units become rows from this one on, their samples columns.
    void transpose(const Matrix<double>& from, long first, long last, long units,
                   const Matrix<double>& to, long row) const {
        for (long r = first; r < last; r += panel<double> / 2)
            for (long u = 0; u < units; u += panel<double>)
                kernels_.transpose_block(from.at(u / panel<double>, r), &unit(to, row + u, r),
                                         panel<double> / 2, std::min(panel<double>, units - u));
    }

    // Where in the flat array the derivative by the weight from unit a to unit j of a layer is,
    // or after all of these by the bias.
    long place(std::size_t L, long j, long a) const {
        return a < layers_[L].in ? weights_[L] + j * layers_[L].in + a : biases_[L] + j;
    }

    // The sums of lambdas (j, k) with all pairs of phis, in their order.
    void read(const Block& block, long j, long k, double* to) const {
        if (block.lambdas.kind == Pairs::equal && j != k)
            return void(std::fill_n(to, block.phis.count(), 0.0));
        const long pair = block.lambdas.index(j, k);
        const Product* product = &products_[block.first_product];
        if (!block.n_weights())
            return void(product->sums.read(&tiles_[product->first_tile], pair, 0, to));
        product = &products_[block.first_product + pair];
        for (long a = 0; a < block.phis.first.size(); a++)
            to = product->sums.read(&tiles_[product->first_tile], a, block.L == block.M ? a : 0, to);
    }

    // The products of the derivatives by the parameters of unit j of layer L with those of unit k
    // of layer M.
    void write_block(const Block& block, long j, long k, double* G, double* room) const {
        const auto& [L, M, lambdas, phis, first_weight, first_product] = block;
        const long P = n_parameters_, in = layers_[M].in, n = phis.first.size();
        read(block, j, k, room);
        for (long a = 0; a < n; a++) {
            double* row = G + place(L, j, a) * P;
            const long b = L == M ? a : 0;
            std::copy_n(room, in - b, row + place(M, k, b));
            room += in - b;
            if (phis.second.size() > in) row[place(M, k, in)] = *room++;
        }
        if (L < M) return;
        for (long a0 = 0; a0 < n; a0 += square)  // the same for the other order of phis
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
    std::vector<long> weights_, biases_;  // by layer: where they start in the user's array
    std::vector<Units> phis_, lambdas_;   // by layer: its inputs, its outputs
    long one_;
    // Units as rows: of all layers; lambdas of one pass after the other.
    Matrix<double> phi_units_, lambda_units_;
    UnitValues phi_values_, lambda_values_;
    std::vector<Block> blocks_;
    std::deque<Product> products_;  // tiles point to them
    std::vector<PairSums::Tile> tiles_;
    std::vector<std::size_t> order_;
    Buffer<double> memory_;  // of the sums
};

}  // namespace chainrule

// The parameters of a network in panels, and the way between them and the user's flat array.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.hpp"

namespace chainrule {

// Rows of a matrix of parameters are rounded up to whole tiles and squares of vectors.
constexpr long row_unit = 16;

// The weights of one layer and its biases, or what has their shape: a gradient, a state.
template <class T>
struct LayerArrays {
    Matrix<T> W;  // in x out
    Buffer<T> bias;
};
template <class T>
using Arrays = std::vector<LayerArrays<T>>;

template <class T>
Arrays<T> arrays_for(const NetworkSpec& spec) {
    Arrays<T> arrays;
    for (const auto& [in, out, activation] : spec.layers)
        arrays.push_back({{round_up(in, row_unit), out}, Buffer<T>(round_up(out, panel<T>))});
    return arrays;
}

// The part of one layer's weights in which a panel of its inputs meets a panel of its outputs.
// The first for each panel of outputs has the care of their biases, too.
struct Block {
    int layer;
    long input_panel, output_panel, rows, columns;
    bool has_bias;
    long flat_weights, flat_biases;  // where they start in the user's array
};

template <class T>
std::vector<Block> blocks_of(const NetworkSpec& spec) {
    std::vector<Block> blocks;
    long flat = 0;
    for (int l = 0; l < int(spec.layers.size()); l++) {
        const auto [in, out, activation] = spec.layers[l];
        const long biases = flat + in * out;
        for (long j = 0; j < out; j += panel<T>)
            for (long i = 0; i < in; i += panel<T>)
                blocks.push_back({l, i / panel<T>, j / panel<T>, std::min(panel<T>, in - i),
                                  std::min(panel<T>, out - j), spec.bias && i == 0,
                                  flat + j * in + i, biases + j});
        flat = biases + (spec.bias ? out : 0);
    }
    return blocks;
}

template <class T>
class Model {
  public:
    // The parameters are zero until they are read. Transposes are kept of layers from `back_to`
    // on (from 0), through which derivatives go back, and of those that are narrow.
    Model(const NetworkSpec& spec, std::size_t back_to)
        : spec(spec), kernels(chainrule::kernels<T>()), blocks(blocks_of<T>(spec)),
          parameters(arrays_for<T>(spec)) {
        for (const auto& [in, out, activation] : spec.layers) {
            const std::size_t l = layers.size();
            transposed_.push_back(l >= back_to || out <= narrow
                                      ? Matrix<T>(round_up(out, row_unit), in) : Matrix<T>());
            layers.push_back({in, out, activation, parameters[l].W, transposed_[l],
                              spec.bias ? parameters[l].bias.get() : nullptr});
        }
    }

    // Takes a block's parameters from the user's array.
    void read(const Block& block, const T* flat) {
        copy_in(block, flat, parameters);
        refresh_transpose(block);
    }
    void refresh_transpose(const Block& block) {
        const Matrix<T>& to = transposed_[block.layer];
        if (to.data)
            kernels.transpose_block(weights(block, parameters),
                                    to.at(block.input_panel, block.output_panel * panel<T>),
                                    block.rows, block.columns);
    }

    // From and to the user's flat array: W^1 (out x in), B^1, W^2, ...
    void copy_in(const Block& block, const T* flat, Arrays<T>& to) const {
        alignas(64) T square[panel<T> * panel<T>] = {}, turned[panel<T> * panel<T>];
        const long in = spec.layers[block.layer].in;
        const T* from = flat + block.flat_weights;
        for (long j = 0; j < block.columns; j++)
            std::memcpy(square + j * panel<T>, from + j * in, block.rows * sizeof(T));
        kernels.transpose_block(square, turned, block.columns, block.rows);
        for (long i = 0; i < block.rows; i++)
            std::memcpy(weights(block, to) + i * panel<T>, turned + i * panel<T>,
                        block.columns * sizeof(T));
        if (block.has_bias)
            std::memcpy(biases(block, to), flat + block.flat_biases,
                        block.columns * sizeof(T));
    }
    void copy_out(const Block& block, T* flat, const Arrays<T>& from) const {
        alignas(64) T turned[panel<T> * panel<T>];
        kernels.transpose_block(weights(block, from), turned, block.rows, block.columns);
        const long in = spec.layers[block.layer].in;
        T* to = flat + block.flat_weights;
        for (long j = 0; j < block.columns; j++)
            std::memcpy(to + j * in, turned + j * panel<T>, block.rows * sizeof(T));
        if (block.has_bias)
            std::memcpy(flat + block.flat_biases, biases(block, from),
                        block.columns * sizeof(T));
    }

    T* weights(const Block& block, const Arrays<T>& of) const {
        return of[block.layer].W.at(block.output_panel, block.input_panel * panel<T>);
    }
    T* biases(const Block& block, const Arrays<T>& of) const {
        return of[block.layer].bias.get() + block.output_panel * panel<T>;
    }

    const NetworkSpec spec;
    const Kernels<T>& kernels;
    const std::vector<Block> blocks;
    Arrays<T> parameters;
    std::vector<Layer<T>> layers;

  private:
    std::vector<Matrix<T>> transposed_;
};

}  // namespace chainrule

// The generalised Gauss-Newton matrix G = sum_i J_i^T H_i J_i of C, and its product with a vector.
//
// With H_i = S_i S_i^T, each column of S_i starts one backward pass, whose lambdas are those of
// pairs.hpp; chainrule/engines/gauss_newton.py is the same in NumPy. All of it is in double.
#pragma once

#include "evaluate.hpp"
#include "gram.hpp"

namespace chainrule {

// The most samples at once for the matrix: their units take some megabytes. The network alone
// decides, or bits would change.
inline long gram_rows(const NetworkSpec& spec) {
    long units = 0;
    for (const auto& [in, out, activation] : spec.layers)
        units += round_up(in, row_unit) + spec.outputs() * round_up(out, row_unit);
    return std::clamp((1l << 20) / units / panel<double> * panel<double>, panel<double>, 512l);
}

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
    const long chunk = std::min(rows, gram_rows(spec));
    Pass<double> pass(model, samples, chunk, {true, false, false});
    const GramSums sums(spec, round_up(chunk, panel<double>), pass.separate_outputs());
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

// What is asked of a network as it is: outputs, loss, gradients, Jacobian.
#pragma once

#include <atomic>

#include "pass.hpp"
#include "threads.hpp"
#include "trainer.hpp"

namespace chainrule {

// Where the answers go, with rows contiguous; null for what is not asked for.
template <class T>
struct Answers {
    T* outputs = nullptr;        // n x n_outputs
    T* by_parameters = nullptr;  // dC by the flat parameters
    T* by_inputs = nullptr;      // dC/dX, of the shape of X
    T* jacobian = nullptr;       // n x n_outputs x n_inputs
};

// Predicts rows one by one, with the weights as the user holds them: for a few rows the fastest.
// Returns false, with nothing predicted, if X has an entry that is not finite.
template <class T>
bool predict_few(const NetworkSpec& spec, const T* parameters, const Source& X, T* outputs) {
    const Kernels<T>& kernels = chainrule::kernels<T>();
    const auto gather = kernels.gather_for(X);
    long width = spec.inputs();
    for (const LayerSpec& layer : spec.layers) width = std::max(width, layer.out);
    width = round_up(width, panel<T>);
    thread_local Buffer<T> buffer;
    thread_local long room = 0;
    if (room < 2 * width) {
        buffer = Buffer<T>(2 * width);
        room = 2 * width;
    }
    for (long r = 0; r < X.rows; r++) {
        T *from = buffer.get(), *to = from + width;
        gather(X, r, from, panel<T>);
        T nothing = 0;
        for (long i = 0; i < spec.inputs(); i++) nothing += from[i] * T(0);
        if (!(nothing == 0)) return false;  // infinity and NaN times 0 are NaN
        const T* W = parameters;
        for (const LayerSpec& layer : spec.layers) {
            const T* bias = W + layer.in * layer.out;
            kernels.one_row(layer, W, spec.bias ? bias : nullptr, from, to);
            W = bias + (spec.bias ? layer.out : 0);
            std::swap(from, to);
        }
        std::memcpy(outputs + r * spec.outputs(), from, spec.outputs() * sizeof(T));
    }
    return true;
}

// Whether to stop: known to some threads at once, and heeded between two chunks, where all know it.
class Stop {
  public:
    explicit Stop(const Interrupted& interrupted) : interrupted_(interrupted) {}
    void ask(const Member& me) {
        if (me.index == 0 && !soon_ && interrupted_()) soon_ = true;
    }
    void decide() { stop_ = soon_.load(); }
    bool soon() const { return soon_; }
    operator bool() const { return stop_; }

  private:
    const Interrupted& interrupted_;
    std::atomic<bool> soon_{false}, stop_{false};
};

// Goes through the samples in chunks, until it is stopped: by_rows(start, first, last) for each
// thread's rows of the chunk that begins at `start`; when all have done theirs, by_parts(start, n).
template <class ByRows, class ByParts>
void for_chunks(const Member& me, long rows, long chunk, Stop& stop, const ByRows& by_rows,
                const ByParts& by_parts) {
    for (long start = 0; start < rows && !stop; start += chunk) {
        const long n = std::min(chunk, rows - start);
        const auto [first, last] = me.rows(n);
        by_rows(start, first, last);
        me.barrier.wait();
        stop.ask(me);
        if (me.index == 0) stop.decide();
        by_parts(start, n);
        me.barrier.wait();  // also because the next chunk's rows may be shared otherwise
    }
}

// Calls work(block) for the blocks that are a thread's.
template <class T, class Work>
void for_blocks(const Member& me, const Model<T>& model, const Work& work) {
    for (std::size_t b = me.index; b < model.blocks.size(); b += me.count) work(model.blocks[b]);
}

template <class T>
void add_gradient(const Member& me, const Model<T>& model, const Pass<T>& pass, long n, bool add,
                  Arrays<T>& gradient) {
    for_blocks(me, model, [&](const Block& block) {
        pass.gradient(block, n, add, model.weights(block, gradient), model.biases(block, gradient));
    });
}

// Returns C if there are targets, else 0.
template <class T>
double evaluate(const NetworkSpec& spec, const T* parameters, const Samples& samples, int threads,
                const Answers<T>& answers, const Interrupted& interrupted) {
    const long rows = samples.X.rows, in = spec.inputs(), out = spec.outputs();
    const WayBack way{answers.by_parameters != nullptr, answers.by_inputs || answers.jacobian,
                      false};
    Model<T> model(spec, way.to_inputs ? 0 : way.to_parameters ? 1 : spec.layers.size());
    // Small enough for the cache, unless larger products are to be had for a gradient.
    const long chunk = std::min(rows, way.to_parameters ? chunk_rows(spec) : 512);
    Pass<T> pass(model, samples, chunk, way);
    Arrays<T> gradient;
    if (way.to_parameters) gradient = arrays_for<T>(spec);
    const double total = pass.total_weight(0, rows);
    double loss = 0;
    Stop stop(interrupted);
    run_team(threads, [&](Member me) {
        const auto copy_rows = [&](const Matrix<T>& from, long first, long last, long columns,
                                   T* to, long to_stride) {
            for (long r = first; r < last; r++, to += to_stride)
                for (long c = 0; c < columns; c += panel<T>)
                    std::memcpy(to + c, from.at(c / panel<T>, r),
                                std::min(panel<T>, columns - c) * sizeof(T));
        };
        for_blocks(me, model, [&](const Block& block) { model.read(block, parameters); });
        me.barrier.wait();
        for_chunks(me, rows, chunk, stop, [&](long start, long first, long last) {
            const long row = start + first;
            pass.forward(start, first, last, nullptr);
            if (answers.outputs)
                copy_rows(pass.outputs(), first, last, out, answers.outputs + row * out, out);
            for (long k = 0; answers.jacobian && k < out && !stop.soon(); k++) {
                pass.one_output(k, first, last);
                pass.backward(first, last);
                copy_rows(pass.by_inputs(), first, last, in,
                          answers.jacobian + (row * out + k) * in, out * in);
                stop.ask(me);
            }
            if (!samples.Y.data) return;
            pass.losses(start, first, last, total);
            if (way.to_parameters || way.to_inputs) pass.backward(first, last);
            if (answers.by_inputs)
                copy_rows(pass.by_inputs(), first, last, in, answers.by_inputs + row * in, in);
        }, [&](long start, long n) {
            if (me.index == 0 && samples.Y.data) loss += pass.loss(n);
            if (way.to_parameters) add_gradient(me, model, pass, n, start > 0, gradient);
        });
        if (way.to_parameters)
            for_blocks(me, model, [&](const Block& block) {
                model.copy_out(block, answers.by_parameters, gradient);
            });
    });
    return samples.Y.data && total ? loss / total : 0;
}

}  // namespace chainrule

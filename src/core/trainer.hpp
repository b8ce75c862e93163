// Training: whole epochs, on one or more threads, with the same bits for any number of them.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "pass.hpp"
#include "random.hpp"
#include "threads.hpp"

namespace chainrule {

// The numbers of a step, which Python computes for a whole epoch (chainrule/optimizers.py).
struct StepNumbers {
    double eta, by_m, by_g, unbias2;
};
struct Regularization {
    double l2, l1, dropout, gradient_clip;  // the last is infinite for none
    bool per_sample;

    // By what l2 and l1 are divided in a step whose samples have this total weight.
    double divisor(double total_weight) const {
        if (!per_sample) return 1;
        // without samples, there is no penalty either
        return total_weight ? total_weight : std::numeric_limits<double>::infinity();
    }
};
struct Epoch {
    long number;        // from 0
    long steps_before;  // that the optimizer has made
    long batch_size;
    bool shuffle;
    uint64_t seed;             // of the shuffle and of dropout
    const StepNumbers* steps;  // one for each
};

// Averages over an epoch.
struct EpochLoss {
    double loss, penalty;
};

// Asked now and then during long work; true stops it.
using Interrupted = std::function<bool()>;

// The most samples that are in flight at once. A batch of more goes through in chunks, whose
// gradients are added up; their size may depend on the network alone, or bits would change.
inline long chunk_rows(const NetworkSpec& spec) {
    long widths = 0;
    for (const LayerSpec& layer : spec.layers) widths += layer.in + layer.out;
    return std::max(512l, round_up((1l << 18) / widths, 8));
}

inline int state_slots(Optimizer kind) {
    if (kind == Optimizer::gradient_descent) return 0;
    return kind >= Optimizer::adam && kind != Optimizer::lion ? 2 : 1;
}

template <class T>
class Trainer {
  public:
    // Trains `parameters` in place; they and the samples must live as long as this.
    Trainer(const NetworkSpec& spec, T* parameters, const Update<T>& optimizer,
            const Regularization& regularization, const Samples& samples)
        : flat_(parameters), model_(spec, 1), optimizer_(optimizer),
          regularization_(regularization), samples_(samples) {
        for (int slot = 0; slot < state_slots(optimizer.kind); slot++)
            state_[slot] = arrays_for<T>(spec);
        read_parameters();
    }

    // Makes everything that `run` needs, so that it cannot fail for want of memory.
    void prepare(const Epoch& epoch) {
        const long n = samples_.X.rows;
        stop_ = false;
        if (epoch.shuffle && !order_.get()) order_ = Buffer<uint32_t>(n);
        samples_.order = epoch.shuffle ? order_.get() : nullptr;
        const long batch = std::min(n, epoch.batch_size);
        chunk_ = std::min(batch, chunk_rows(model_.spec));
        if (chunk_ > capacity_) {
            pass_ = std::make_unique<Pass<T>>(
                model_, samples_, chunk_, WayBack{true, false, regularization_.dropout > 0});
            capacity_ = chunk_;
        }
        // Whether all of the gradient must be there before the first update.
        whole_ = batch > chunk_ || std::isfinite(regularization_.gradient_clip);
        if (whole_ && gradient_.empty()) gradient_ = arrays_for<T>(model_.spec);
        squares_.resize(model_.blocks.size());
        penalties_.resize(model_.blocks.size());
    }

    // To be called after `prepare`. Returns the loss of the epoch, or a number not finite as
    // soon as the loss of a batch is not: the parameters are then those before that batch.
    EpochLoss run(const Epoch& epoch, int threads, const Interrupted& interrupted) {
        const long n = samples_.X.rows;
        std::fill(penalties_.begin(), penalties_.end(), 0);
        EpochLoss mean{0, 0};
        run_team(threads, [&](Member me) {
            const DenormalsFlushed flushed(true);
            const Share share = shares_of(me);
            double total = 0, weight = 0;
            if (epoch.shuffle) {
                if (me.index == 0) shuffle(order_.get(), n, epoch.seed, epoch.number);
                me.barrier.wait();
            }
            const long steps = ceil_div(n, epoch.batch_size);
            for (long s = 0; s < steps && std::isfinite(total) && !stop_; s++) {
                const long start = s * epoch.batch_size, t = epoch.steps_before + s + 1;
                Update<T> update = optimizer_;
                const auto [eta, by_m, by_g, unbias2] = epoch.steps[s];
                update.eta = T(eta), update.by_m = T(by_m), update.by_g = T(by_g);
                update.unbias2 = T(unbias2), update.kept = T(1 - eta * optimizer_.weight_decay);
                update.scale = 1;
                const long size = std::min(epoch.batch_size, n - start);
                const double step_weight = pass_->total_weight(start, start + size);
                const double divisor = regularization_.divisor(step_weight);
                const Step step{start, size, t, step_weight, T(regularization_.l2 / divisor),
                                T(regularization_.l1 / divisor), masks(epoch, t), update};
                total += run_step(step, me, share, total, interrupted);
                weight += step_weight;
            }
            for_blocks(share, [&](const Block& block) {
                model_.copy_out(block, flat_, model_.parameters);
            });
            me.barrier.wait();
            if (me.index > 0 || !weight) return;
            for (double part : penalties_) mean.penalty += part / weight;
            mean.loss = total / weight;
        });
        return mean;
    }

    // Takes up parameters that were changed from outside.
    void read_parameters() {
        for (const Block& block : model_.blocks) model_.read(block, flat_);
    }
    // The arrays of the optimizer's state, slot 0 and 1, in the layout of the parameters.
    void write_state(int slot, T* flat) const {
        for (const Block& block : model_.blocks) model_.copy_out(block, flat, state_[slot]);
    }
    void read_state(int slot, const T* flat) {
        for (const Block& block : model_.blocks) model_.copy_in(block, flat, state_[slot]);
    }

  private:
    struct Step {
        long start, size, t;
        double weight;  // of its samples
        T l2, l1;
        std::vector<Dropout> masks;
        Update<T> update;
    };
    struct Share {  // of the blocks, for one thread
        std::size_t first, last;
    };

    // Neighbours, and about the same work for each thread.
    Share shares_of(const Member& me) const {
        long total = 0, done = 0;
        for (const Block& block : model_.blocks) total += block.rows * block.columns;
        Share share{0, 0};
        for (const Block& block : model_.blocks) {
            // A block is the thread's in whose share its middle lies.
            const long middle = done + block.rows * block.columns / 2;
            share.first += middle * me.count < total * me.index;
            share.last += middle * me.count < total * (me.index + 1);
            done += block.rows * block.columns;
        }
        return share;
    }
    template <class Work>
    void for_blocks(const Share& share, const Work& work) const {
        for (std::size_t b = share.first; b < share.last; b++) work(model_.blocks[b]);
    }

    std::size_t number_of(const Block& block) const { return &block - model_.blocks.data(); }

    std::vector<Dropout> masks(const Epoch& epoch, long t) const {
        std::vector<Dropout> masks;
        const double p = regularization_.dropout;
        for (std::size_t l = 1; p > 0 && l < model_.layers.size(); l++)
            masks.push_back({key_of({~epoch.seed, uint64_t(epoch.number), uint64_t(t), l}),
                             uint32_t(p * 0x1p32), 0, 1 / (1 - p)});
        return masks;
    }

    // Returns the sum of the batch's losses. Nothing is changed if that, or the loss of the
    // epoch before it, is not finite.
    double run_step(Step step, const Member& me, const Share& share, double before,
                    const Interrupted& interrupted) {
        double loss = 0;
        for (long done = 0; done < step.size; done += chunk_) {
            const long n = std::min(chunk_, step.size - done), start = step.start + done;
            const auto [first, last] = me.rows(n);
            for (Dropout& mask : step.masks) mask.first_row = done;
            pass_->forward(start, first, last, step.masks.empty() ? nullptr : step.masks.data());
            pass_->losses(start, first, last, step.weight);
            pass_->backward(first, last);
            me.barrier.wait();
            if (me.index == 0 && interrupted()) stop_ = true;
            loss += pass_->loss(n);
            if (whole_)
                for_blocks(share, [&](const Block& block) {
                    pass_->gradient(block, n, done > 0, model_.weights(block, gradient_),
                                    model_.biases(block, gradient_));
                });
            else if (std::isfinite(before + loss))
                update_at_once(step, share, n);
            me.barrier.wait();
        }
        if (whole_ && std::isfinite(before + loss)) update_whole(step, me, share);
        return loss;
    }

    // The usual step: each block's gradient is used while it is in the first level cache.
    void update_at_once(const Step& step, const Share& share, long n) {
        alignas(64) T by_weights[panel<T> * panel<T>], by_biases[panel<T>];
        for_blocks(share, [&](const Block& block) {
            pass_->gradient(block, n, false, by_weights, by_biases);
            penalize(block, step, by_weights);
            update(block, step, by_weights, by_biases);
        });
    }

    void update_whole(Step& step, const Member& me, const Share& share) {
        for_blocks(share, [&](const Block& block) {
            penalize(block, step, model_.weights(block, gradient_));
            double& squares = squares_[number_of(block)];
            squares = model_.kernels.squares(model_.weights(block, gradient_), block.rows,
                                             block.columns);
            if (block.has_bias)
                squares +=
                    model_.kernels.squares(model_.biases(block, gradient_), 1, block.columns);
        });
        me.barrier.wait();
        double square = 0;
        for (double part : squares_) square += part;
        const double norm = std::sqrt(square), longest = regularization_.gradient_clip;
        if (norm > longest) step.update.scale = T(longest / norm);
        for_blocks(share, [&](const Block& block) {
            update(block, step, model_.weights(block, gradient_), model_.biases(block, gradient_));
        });
        me.barrier.wait();
    }

    void penalize(const Block& block, const Step& step, T* by_weights) {
        if (step.l2 || step.l1)
            penalties_[number_of(block)] +=
                step.weight * model_.kernels.add_penalty(step.l2, step.l1,
                                                         model_.weights(block, model_.parameters),
                                                         by_weights, block.rows, block.columns);
    }

    // The optimizer on one block, whose transpose is renewed at once.
    void update(const Block& block, const Step& step, const T* by_weights, const T* by_biases) {
        T *weights[3], *biases[3];  // of the parameters and the state
        const Arrays<T>* const all[] = {&model_.parameters, &state_[0], &state_[1]};
        for (int i = 0; i < 3; i++) {
            weights[i] = all[i]->empty() ? nullptr : model_.weights(block, *all[i]);
            biases[i] = all[i]->empty() ? nullptr : model_.biases(block, *all[i]);
        }
        if (optimizer_.kind == Optimizer::rprop && step.t == 1) {
            std::fill_n(weights[2], block.rows * panel<T>, step.update.eta);
            if (block.has_bias) std::fill_n(biases[2], block.columns, step.update.eta);
        }
        model_.kernels.update(step.update, weights[0], weights[1], weights[2], by_weights,
                              block.rows, block.columns);
        model_.refresh_transpose(block);
        if (block.has_bias)
            model_.kernels.update(step.update, biases[0], biases[1], biases[2], by_biases, 1,
                                  block.columns);
    }

    T* flat_;
    Model<T> model_;
    const Update<T> optimizer_;  // but for the numbers of a step
    const Regularization regularization_;
    Samples samples_;
    Arrays<T> state_[2], gradient_;  // the last where a whole one is needed
    // Block by block, so that their sums do not depend on shares: the squares of the gradient, and
    // the penalty, times the weight of its step, of an epoch's steps so far.
    std::vector<double> squares_, penalties_;
    Buffer<uint32_t> order_;
    std::unique_ptr<Pass<T>> pass_;
    long chunk_ = 0, capacity_ = 0;
    bool whole_ = false, stop_ = false;
};

}  // namespace chainrule

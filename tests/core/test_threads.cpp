// Training and evaluation on several threads: the same bits for any number of them. This program
// runs under the thread sanitizer as well.
#include <atomic>
#include <memory>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

#include "evaluate.hpp"
#include "problems.hpp"

namespace chainrule::test {
namespace {

void test_run_team() {
    for (int threads : {1, 2, 3, 4}) {
        Case c("a team of %d", threads);
        const int rounds = quick ? 100 : 1000;
        std::vector<int> seen(threads), marks(threads);
        std::atomic<int> wrong{0}, counts{0};
        run_team(threads, [&](Member me) {
            counts += me.count;
            seen[me.index]++;
            for (int round = 1; round <= rounds; round++) {
                marks[me.index] = round;
                me.barrier.wait();
                for (int mark : marks) wrong += mark != round;
                me.barrier.wait();
            }
        });
        c.check(counts == threads * threads, "not all know their number");
        c.check(seen == std::vector<int>(threads, 1), "an index missing, or twice");
        c.check(wrong == 0, "one passed the barrier before all had arrived");
    }
    Case c("shares of rows");
    Barrier barrier(1);
    for (int count : {1, 2, 3, 7})
        for (long n : {0, 1, 7, 8, 9, 64, 65, 100}) {
            long next = 0;
            for (int index = 0; index < count; index++) {
                const auto [first, last] = Member{index, count, barrier}.rows(n);
                c.check(first == next && first <= last, "gaps or overlaps");
                next = last;
            }
            c.check(next == n, "rows are left over");
        }
}

// The first test: a caller that was left on one processor would be no wiser later.
void test_placement() {
#if defined(__linux__)
    Case c("the caller's processors after a team");
    cpu_set_t before, after;
    CPU_ZERO(&before);
    CPU_ZERO(&after);
    sched_getaffinity(0, sizeof before, &before);
    run_team(3, [](Member me) { me.barrier.wait(); });
    sched_getaffinity(0, sizeof after, &after);
    c.check(CPU_EQUAL(&before, &after), "others than before");
#endif
}

// Denormal numbers are flushed within, and not after.
void test_flush() {
    Case c("flushing of denormal numbers");
    volatile float small = 1e-38f, half = 0.5f;
    {
        const DenormalsFlushed flushed(true);
        volatile float product = small * half;
#if defined(__SSE2__) || defined(__aarch64__)
        c.check(product == 0, "not flushed");
#endif
    }
    volatile float product = small * half;
    c.check(product > 0, "still flushed afterwards");
}

template <class T>
struct Trained {
    std::vector<double> losses, penalties;
    std::vector<T> parameters, states[2];

    bool operator==(const Trained& other) const {
        const auto same = [](const auto& a, const auto& b) {
            return a.size() == b.size() &&
                   (a.empty() || same_bits(a.data(), b.data(), long(a.size())));
        };
        return same(losses, other.losses) && same(penalties, other.penalties) && same(parameters, other.parameters) &&
               same(states[0], other.states[0]) && same(states[1], other.states[1]);
    }
};

const Interrupted never = [] { return false; };

// Three epochs; after the first, `pause` hands all that is known over to another trainer.
template <class T>
Trained<T> train(const Problem& problem, int threads, bool pause = false) {
    const Data<T> data(problem);
    Trained<T> result;
    result.parameters = data.parameters;
    const long n = problem.spec.parameters(), steps = ceil_div(problem.rows, problem.batch_size);
    const int slots = state_slots(problem.optimizer);
    const Rule rule;
    const auto trainer = [&] {
        return std::make_unique<Trainer<T>>(problem.spec, result.parameters.data(),
                                            rule.update<T>(problem.optimizer),
                                            problem.regularization, data.samples);
    };
    auto current = trainer();
    long double product = 1;
    // The step sizes of rprop start beyond its largest, so that starting twice would show.
    const double eta = problem.optimizer == Optimizer::rprop ? 0.05 : 0.01;
    for (long epoch = 0; epoch < 3; epoch++) {
        std::vector<StepNumbers> numbers;
        for (long s = 1; s <= steps; s++)
            numbers.push_back(rule.step(problem.optimizer, eta, epoch * steps + s, product));
        const Epoch made{epoch, epoch * steps, problem.batch_size, problem.shuffle, 42, numbers.data()};
        current->prepare(made);
        const auto [loss, penalty] = current->run(made, threads, never);
        result.losses.push_back(loss), result.penalties.push_back(penalty);
        for (int slot = 0; slot < slots; slot++) {
            result.states[slot].resize(n);
            current->write_state(slot, result.states[slot].data());
        }
        if (epoch > 0 || !pause) continue;
        current = trainer();
        for (int slot = 0; slot < slots; slot++)
            current->read_state(slot, result.states[slot].data());
    }
    return result;
}

template <class T>
void test_training(const Problem& problem) {
    const Trained<T> alone = train<T>(problem, 1);
    Case sane("%s %s trains", problem.name, type_name<T>);
    sane.check(std::isfinite(alone.losses[0]) && alone.losses[2] < alone.losses[0],
               "its loss does not fall");
    for (int threads : {2, 3, 4}) {
        Case c("%s %s on %d threads", problem.name, type_name<T>, threads);
        c.check(train<T>(problem, threads) == alone, "other bits than on one");
    }
    Case c("%s %s taken up again", problem.name, type_name<T>);
    c.check(train<T>(problem, 2, true) == alone, "other bits than in one go");
}

template <class T>
void test_evaluate(const Problem& problem) {
    const Data<T> data(problem);
    const long n = problem.rows, in = problem.spec.inputs(), out = problem.spec.outputs();
    struct Result {
        std::vector<T> outputs, by_parameters, by_inputs, jacobian;
        double loss;
    };
    const auto evaluated = [&](int threads) {
        Result r{std::vector<T>(n * out), std::vector<T>(problem.spec.parameters()),
                 std::vector<T>(n * in), std::vector<T>(n * out * in), 0};
        // The Jacobian by itself: it needs the output layer that a loss would take.
        evaluate<T>(problem.spec, data.parameters.data(), data.unlabelled, threads,
                    {r.outputs.data(), nullptr, nullptr, r.jacobian.data()}, never);
        r.loss = evaluate<T>(problem.spec, data.parameters.data(), data.samples, threads,
                             {nullptr, r.by_parameters.data(), r.by_inputs.data(), nullptr},
                             never);
        return r;
    };
    const Result alone = evaluated(1);
    for (int threads : {2, 3, 4}) {
        Case c("%s %s evaluated on %d threads", problem.name, type_name<T>, threads);
        const Result r = evaluated(threads);
        const auto same = [](const std::vector<T>& a, const std::vector<T>& b) {
            return same_bits(a.data(), b.data(), long(a.size()));
        };
        c.check(same(r.outputs, alone.outputs) && same(r.by_parameters, alone.by_parameters) &&
                    same(r.by_inputs, alone.by_inputs) && same(r.jacobian, alone.jacobian) &&
                    r.loss == alone.loss, "other bits than on one");
    }
}

// A step of gradient descent is eta times the gradient that evaluate gives, cut to the longest
// norm that is allowed.
template <class T>
void test_step(const Problem& problem, double clip) {
    Case c("%s %s, one step clipped to %g", problem.name, type_name<T>, clip);
    const Data<T> data(problem);
    const long n = problem.spec.parameters();
    std::vector<T> g(n), theta = data.parameters;
    evaluate<T>(problem.spec, data.parameters.data(), data.samples, 1,
                {nullptr, g.data(), nullptr, nullptr}, never);
    const std::vector<StepNumbers> steps(1, {0.5, 0, 0, 0});
    Trainer<T> trainer(problem.spec, theta.data(),
                       Rule{}.update<T>(Optimizer::gradient_descent), {0, 0, 0, clip, false},
                       data.samples);
    const Epoch epoch{0, 0, problem.rows, false, 1, steps.data()};
    trainer.prepare(epoch);
    trainer.run(epoch, 2, never);
    long double square = 0;
    for (T x : g) square += (long double)x * x;
    const long double norm = std::sqrt(square), scale = norm > clip ? clip / norm : 1;
    // The gradient has the same bits. Its norm is off by half as many roundings as a row of a
    // panel has numbers; a handful are for the scale and the two products.
    for (long i = 0; i < n; i++) {
        const long double part = 0.5L * scale * g[i];
        const long double tolerance =
            unit<T> * (std::fabs(theta[i]) + (panel<T> / 2 + 8) * std::fabs(part));
        c.near(theta[i], data.parameters[i] - part, tolerance, 0, i);
    }
}

// An interruption ends an evaluation early, and leaves no thread waiting.
void test_interrupted_evaluation(int threads) {
    Case c("an evaluation that is interrupted, on %d threads", threads);
    const Problem& problem = problems[1];
    const Data<float> data(problem);
    const long n = problem.rows, in = problem.spec.inputs(), out = problem.spec.outputs();
    std::vector<float> jacobian(n * out * in, -1), outputs(n * out);
    int asked = 0;
    evaluate<float>(problem.spec, data.parameters.data(), data.unlabelled, threads,
                    {outputs.data(), nullptr, nullptr, jacobian.data()},
                    [&] { return ++asked > 0; });
    c.check(asked == 1, "asked again after it was told to stop");
    c.check(jacobian[(out - 1) * in] == -1, "the last output was reached");
}

// As several networks are trained together: each on one thread of a team.
template <class T>
void test_several_at_once() {
    Case c("several trainers at once %s", type_name<T>);
    std::vector<Trained<T>> results(problems.size());
    std::atomic<std::size_t> next{0};
    run_team(3, [&](Member) {
        for (std::size_t j; (j = next++) < problems.size();) results[j] = train<T>(problems[j], 1);
    });
    for (std::size_t j = 0; j < problems.size(); j++)
        c.check(results[j] == train<T>(problems[j], 1), "other bits than by itself");
}

// As from several threads of Python, each with a team of its own.
void test_teams_at_once() {
    Case c("several teams at once");
    const Problem& problem = problems[1];
    const Trained<float> alone = train<float>(problem, 1);
    Trained<float> results[3];
    std::vector<std::thread> callers;
    for (auto& result : results)
        callers.emplace_back([&] { result = train<float>(problem, 3); });
    for (std::thread& caller : callers) caller.join();
    for (const auto& result : results) c.check(result == alone, "other bits than alone");
}

// A batch whose loss is not finite ends the epoch and leaves the parameters of the step before;
// an interruption ends it after the batch. Neither leaves a thread waiting.
void test_early_ends(int threads, double clip) {
    Case c("epochs that end early, on %d threads, clipped to %g", threads, clip);
    const Problem& problem = problems[1];
    const long batch = problem.batch_size;
    Data<double> data(problem), head(problem);
    const std::vector<StepNumbers> steps(100, {0.01, 0.01, 0, 1});
    const auto run = [&](Data<double>& on, const Interrupted& interrupted) {
        Trainer<double> trainer(problem.spec, on.parameters.data(),
                                Rule{}.update<double>(problem.optimizer), {0, 0, 0, clip, false},
                                on.samples);
        const Epoch epoch{0, 0, batch, false, 1, steps.data()};
        trainer.prepare(epoch);
        return trainer.run(epoch, threads, interrupted).loss;
    };
    data.Y[2 * batch * problem.targets] = 1e200;  // in the third batch
    head.samples.X.rows = head.samples.Y.rows = 2 * batch;
    c.check(!std::isfinite(run(data, never)), "the loss is finite");
    c.check(std::isfinite(run(head, never)), "the loss of the head is not");
    c.check(data.parameters == head.parameters, "not the parameters before the batch");

    Data<double> stopped(problem);
    int asked = 0;
    run(stopped, [&] { return ++asked == 2; });
    c.check(asked == 2 && stopped.parameters == head.parameters, "not the two batches before");
}

}  // namespace
}  // namespace chainrule::test

int main() {
    using namespace chainrule::test;
    return run([] {
        test_placement();
        test_run_team();
        test_flush();
        for (const Problem& problem : problems) {
            test_training<float>(problem), test_training<double>(problem);
            test_evaluate<float>(problem), test_evaluate<double>(problem);
            for (double clip : {no_clip, 0.01})
                test_step<float>(problem, clip), test_step<double>(problem, clip);
        }
        test_several_at_once<float>();
        test_several_at_once<double>();
        test_teams_at_once();
        for (int threads : {1, 2, 3})
            for (double clip : {no_clip, 1e9}) test_early_ends(threads, clip);
        for (int threads : {1, 2, 3}) test_interrupted_evaluation(threads);
    });
}

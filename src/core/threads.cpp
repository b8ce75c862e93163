#include "threads.hpp"

#include <pthread.h>

#include <memory>
#include <thread>
#include <vector>

#if defined(__linux__)
#include <sched.h>
#endif
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace chainrule {

namespace {

template <class Condition>
void spin_until(Condition holds) {
    for (int spins = 0; !holds(); spins += spins < 500) {
        if (spins == 500) std::this_thread::yield();
#if defined(__SSE2__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }
}

// Threads of all calls that are running now; none of them is there after a fork.
std::atomic<int> at_work{0};
[[maybe_unused]] const int at_fork = pthread_atfork(nullptr, nullptr, [] { at_work = 0; });

// So many of the threads asked for as others leave, at least one, for as long as this lives.
struct Reservation {
    explicit Reservation(int wanted) {
        int others = at_work.load();
        do threads = std::max(1, wanted - others);
        while (!at_work.compare_exchange_weak(others, others + threads));
    }
    ~Reservation() { at_work -= threads; }
    int threads;
};

// The caller keeps its processor and its helpers take others: a helper that the system places
// beside a spinning caller makes a small step several times slower.
class Placement {
  public:
#if defined(__linux__)
    Placement() {
        if (sched_getaffinity(0, sizeof before_, &before_)) return;
        const int here = sched_getcpu();
        if (here < 0 || CPU_COUNT(&before_) < 2 || !CPU_ISSET(here, &before_)) return;
        others_ = before_;
        CPU_CLR(here, &others_);
        cpu_set_t only_here;
        CPU_ZERO(&only_here);
        CPU_SET(here, &only_here);
        placed_ = sched_setaffinity(0, sizeof only_here, &only_here) == 0;
    }
    ~Placement() {
        if (placed_) sched_setaffinity(0, sizeof before_, &before_);
    }
    void place_helper() const {
        if (placed_) sched_setaffinity(0, sizeof others_, &others_);
    }

  private:
    cpu_set_t before_, others_;
    bool placed_ = false;
#else
    void place_helper() const {}
#endif
};

}  // namespace

void Barrier::wait() {
    if (threads_ == 1) return;
    const int round = round_.load(std::memory_order_relaxed);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) == threads_ - 1) {
        arrived_.store(0, std::memory_order_relaxed);
        round_.store(round + 1, std::memory_order_release);
    } else {
        spin_until([&] { return round_.load(std::memory_order_acquire) != round; });
    }
}

void run_team(int wanted, const std::function<void(Member)>& work) {
    const Reservation reserved(wanted);
    if (reserved.threads == 1) {
        Barrier alone(1);
        return work({0, 1, alone});
    }
    const Placement placement;
    // Known only when all helpers have started: it is then the number of the team.
    std::atomic<int> count{0};
    std::unique_ptr<Barrier> barrier;
    const auto help = [&](int index) {
        placement.place_helper();
        spin_until([&] { return count.load(std::memory_order_acquire) != 0; });
        work({index, count, *barrier});
    };
    std::vector<std::thread> helpers;
    helpers.reserve(reserved.threads - 1);
    try {
        for (int t = 1; t < reserved.threads; t++) helpers.emplace_back(help, t);
    } catch (const std::exception&) {  // too many threads, or too little memory: go on with these
    }
    const int started = int(helpers.size()) + 1;
    barrier = std::make_unique<Barrier>(started);
    count.store(started, std::memory_order_release);
    work({0, started, *barrier});
    for (std::thread& helper : helpers) helper.join();
}

DenormalsFlushed::DenormalsFlushed(bool flushed) {
#if defined(__SSE2__)
    before_ = _mm_getcsr();
    const unsigned results_and_operands = 0x8040, rest = unsigned(before_) & ~results_and_operands;
    _mm_setcsr(flushed ? rest | results_and_operands : rest);
#elif defined(__aarch64__)
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    const unsigned long flush = 1ul << 24, rest = before_ & ~flush;
    asm volatile("msr fpcr, %0" ::"r"(flushed ? rest | flush : rest));
#else
    (void)flushed;
#endif
}

DenormalsFlushed::~DenormalsFlushed() {
#if defined(__SSE2__)
    _mm_setcsr(unsigned(before_));
#elif defined(__aarch64__)
    asm volatile("msr fpcr, %0" ::"r"(before_));
#endif
}

}  // namespace chainrule

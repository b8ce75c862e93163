#include "threads.hpp"

#include <memory>
#include <system_error>
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
    for (int spins = 0; !holds(); spins++) {
        if (spins > 500) std::this_thread::yield();
#if defined(__SSE2__)
        _mm_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
    }
}

// Threads of all calls that are running now.
std::atomic<int> at_work{0};

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

void run_team(int threads, const std::function<void(Member)>& work) {
    threads = std::max(1, threads - std::max(0, at_work.load()));
    at_work += threads;
    if (threads == 1) {
        Barrier alone(1);
        work({0, 1, alone});
    } else {
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
        helpers.reserve(threads - 1);
        try {
            for (int t = 1; t < threads; t++) helpers.emplace_back(help, t);
        } catch (const std::system_error&) {  // too many threads already: go on with these
        }
        const int started = int(helpers.size()) + 1;
        barrier = std::make_unique<Barrier>(started);
        count.store(started, std::memory_order_release);
        work({0, started, *barrier});
        for (std::thread& helper : helpers) helper.join();
    }
    at_work -= threads;
}

FlushDenormals::FlushDenormals() {
#if defined(__SSE2__)
    before_ = _mm_getcsr();
    _mm_setcsr(unsigned(before_) | 0x8040);  // results and operands
#elif defined(__aarch64__)
    asm volatile("mrs %0, fpcr" : "=r"(before_));
    asm volatile("msr fpcr, %0" ::"r"(before_ | (1ul << 24)));
#endif
}

FlushDenormals::~FlushDenormals() {
#if defined(__SSE2__)
    _mm_setcsr(unsigned(before_));
#elif defined(__aarch64__)
    asm volatile("msr fpcr, %0" ::"r"(before_));
#endif
}

}  // namespace chainrule

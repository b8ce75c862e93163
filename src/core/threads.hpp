// Threads that work together on one call, and end with it: there is no pool, so a process that
// forks afterwards has nothing to lose.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <utility>

namespace chainrule {

// Meets so many threads again and again. It spins first, because the waits of a training step
// are far shorter than a wake-up, and then yields, for whoever shares the processor.
class Barrier {
  public:
    explicit Barrier(int threads) : threads_(threads) {}
    void wait();

  private:
    const int threads_;
    alignas(64) std::atomic<int> arrived_{0};
    alignas(64) std::atomic<int> round_{0};
};

// What one thread of a team knows.
struct Member {
    int index, count;
    Barrier& barrier;

    std::pair<long, long> rows(long n) const {  // its share of so many
        const long each = ((n + count - 1) / count + 7) / 8 * 8;
        return {std::min(n, each * index), std::min(n, each * (index + 1))};
    }
};

// Calls `work` on up to `threads` threads at once, the caller's being the first; fewer if other
// calls of this process have threads at work, or the system grants no more. `work` must not throw.
void run_team(int threads, const std::function<void(Member)>& work);

// While this lives, numbers that fell below the normal range count as zero, or do not. Adam's
// averages decay into that range, where the processor is many times slower.
class DenormalsFlushed {
  public:
    explicit DenormalsFlushed(bool flushed);
    ~DenormalsFlushed();
    DenormalsFlushed(const DenormalsFlushed&) = delete;
    DenormalsFlushed& operator=(const DenormalsFlushed&) = delete;

  private:
    unsigned long before_ = 0;
};

}  // namespace chainrule

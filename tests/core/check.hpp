// What the test programs share: checks that count, random numbers, and memory whose every byte
// is accounted for.
#pragma once

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "kernels.hpp"

namespace chainrule::test {

#ifdef CHAINRULE_QUICK  // under sanitizers, which are many times slower
constexpr bool quick = true;
#else
constexpr bool quick = false;
#endif

inline long passed = 0, failed = 0;

// One case of a test: it counts once, and fails with the first thing in it that is wrong.
class Case {
  public:
    __attribute__((format(printf, 2, 3))) explicit Case(const char* format, ...) {
        char text[200];
        va_list arguments;
        va_start(arguments, format);
        std::vsnprintf(text, sizeof text, format, arguments);
        va_end(arguments);
        name_ = text;
    }
    Case(const Case&) = delete;
    ~Case() { (wrong_ ? failed : passed)++; }

    void check(bool condition, const char* what) {
        if (!condition) fail("%s", what);
    }
    // A NaN is near a NaN, an infinity near itself.
    void near(long double got, long double want, long double tolerance, long row = 0,
              long column = 0) {
        const bool same = got == want || (std::isnan(got) && std::isnan(want));
        if (!same && !(std::fabs(got - want) <= tolerance))
            fail("row %ld column %ld: %.17Lg, not %.17Lg within %.3Lg", row, column, got, want,
                 tolerance);
    }
    __attribute__((format(printf, 2, 3))) void fail(const char* format, ...) {
        if (wrong_) return;
        wrong_ = true;
        if (failed >= 20) return;  // enough to see what is the matter
        std::printf("FAILED %s: ", name_.c_str());
        va_list arguments;
        va_start(arguments, format);
        std::vprintf(format, arguments);
        va_end(arguments);
        std::printf("\n");
    }

  private:
    std::string name_;
    bool wrong_ = false;
};

// Runs the tests with the kernels that CHAINRULE_INSTRUCTION_SET names. Returns what main does:
// 77 for kernels that this machine cannot run.
inline int run(void (*tests)()) {
    const char* name;
    try {
        name = instruction_set();
    } catch (const std::invalid_argument& error) {
        std::printf("skipped: %s\n", error.what());
        return 77;
    }
    tests();
    std::printf("%s: %ld passed, %ld failed\n", name, passed, failed);
    return failed != 0;
}

// Half the distance of 1 to the next number: the relative error of one rounding.
template <class T>
constexpr long double unit = std::numeric_limits<T>::epsilon() / 2;
template <class T>
constexpr const char* type_name = sizeof(T) == 4 ? "float" : "double";

// Sums in it are exact beside those in T.
template <class T>
using Wide = std::conditional_t<sizeof(T) == 4, double, long double>;

class Random {
  public:
    explicit Random(uint64_t seed) : engine_(seed) {}
    double uniform(double low, double high) {
        return low + (high - low) * double(engine_() >> 11) * 0x1p-53;
    }
    long below(long n) { return long(engine_() % uint64_t(n)); }
    uint64_t bits() { return engine_(); }

  private:
    std::mt19937_64 engine_;
};

// An array of exactly so many elements, the first so many bytes after a multiple of 64, so that
// an address sanitizer sees the first byte beyond it.
template <class T>
class Exact {
  public:
    explicit Exact(long n, long misalignment = 0)
        : memory_(static_cast<char*>(::operator new(n * sizeof(T) + misalignment, align))),
          data_(reinterpret_cast<T*>(memory_ + misalignment)), n_(n) {
        std::memset(memory_, 0, n * sizeof(T) + misalignment);
    }
    Exact(long n, Random& random, double low = -1, double high = 1) : Exact(n) {
        for (long i = 0; i < n; i++) data_[i] = T(random.uniform(low, high));
    }
    Exact(const Exact&) = delete;
    ~Exact() { ::operator delete(memory_, align); }

    T* get() const { return data_; }
    T& operator[](long i) const { return data_[i]; }
    long size() const { return n_; }

  private:
    static constexpr std::align_val_t align{64};
    char* const memory_;
    T* const data_;
    const long n_;
};

// A matrix in panels that remembers what it held. At first it is full of random numbers: its
// padding and the gaps between its panels, too.
template <class T>
class Grid : public Panels<T> {
  public:
    Grid(long rows, long columns, Random& random, double low = -1, double high = 1)
        : Panels<T>{nullptr, (rows + 1) * panel<T>}, rows(rows), columns(columns),
          memory_((panels_for<T>(columns) - 1) * this->stride + rows * panel<T>, random, low,
                  high) {
        this->data = memory_.get();
        remember();
    }
    T& operator()(long row, long column) const {
        return this->at(column / panel<T>, row)[column % panel<T>];
    }

    void remember() { before_.assign(memory_.get(), memory_.get() + memory_.size()); }
    T before(long row, long column) const { return before_[&(*this)(row, column) - this->data]; }
    // Whether all is as it was, but perhaps for rows [first, last) of the first `columns`.
    bool changed_only(long first, long last, long columns) const {
        for (long i = 0; i < memory_.size(); i++) {
            if (!std::memcmp(&before_[i], &memory_[i], sizeof(T))) continue;
            const long row = i % this->stride / panel<T>;
            const long column = i / this->stride * panel<T> + i % panel<T>;
            if (row < first || row >= last || column >= columns) return false;
        }
        return true;
    }
    bool unchanged() const { return changed_only(0, 0, 0); }

    const long rows, columns;

  private:
    const Exact<T> memory_;
    std::vector<T> before_;
};

// What a kernel may write of so many columns: whole vectors, the widest of which are 64 bytes.
template <class T>
constexpr long whole_vectors(long columns) {
    return round_up(columns, 64 / long(sizeof(T)));
}

template <class T>
bool same_bits(const T* a, const T* b, long n) {
    return !std::memcmp(a, b, n * sizeof(T));
}

}  // namespace chainrule::test

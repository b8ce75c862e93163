// The one layout of every matrix in the core: panels.
//
// A matrix of R rows and C columns is cut into panels of 128 bytes a row (32 floats or 16
// doubles); each panel is stored row after row. So strides are known when the kernels are
// compiled, a row of a panel is two cache lines, nothing is ever packed for a product, and
// dimensions that are powers of two do not fall on each other in the cache.
//
// Beyond the last column there is padding, up to whole panels. It is zero in parameters, their
// transposes, gradients and lambda, and finite in phi: sums along rows of panels may run over it.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

namespace chainrule {

template <class T>
constexpr long panel = 128 / sizeof(T);

constexpr long ceil_div(long a, long b) { return (a + b - 1) / b; }
constexpr long round_up(long a, long b) { return ceil_div(a, b) * b; }
template <class T>
constexpr long panels_for(long columns) {
    return ceil_div(columns, panel<T>);
}

// Up to so many columns are few: vectors along them would be mostly empty.
constexpr long narrow = 4;

template <class T>
struct Panels {
    T* data = nullptr;
    long stride = 0;  // elements from one panel to the next

    T* at(long p, long row) const { return data + p * stride + row * panel<T>; }
};

// Memory of its own, zeroed and aligned to a page.
template <class T>
class Buffer {
  public:
    Buffer() = default;
    explicit Buffer(long n) {
        const long page = 4096, large_page = 1l << 21, large = 2 * large_page;
        const long size = round_up(n * long(sizeof(T)) + 1, page);
        void* data = nullptr;
        if (posix_memalign(&data, size < large ? page : large_page, size)) throw std::bad_alloc();
        data_.reset(static_cast<T*>(data));
#if defined(__linux__)
        // Large ones on large pages, if the system has them: fewer of them to look up and to make.
        if (size >= large) madvise(data, size, MADV_HUGEPAGE);
#endif
        std::memset(data, 0, size);
    }
    T* get() const { return data_.get(); }

  private:
    struct Free {
        void operator()(T* data) const { std::free(data); }
    };
    std::unique_ptr<T, Free> data_;
};

// A matrix in panels that owns its memory.
template <class T>
struct Matrix : Panels<T> {
    Matrix() = default;
    Matrix(long rows, long columns) : buffer_(panels_for<T>(columns) * rows * panel<T>) {
        this->data = buffer_.get();
        this->stride = rows * panel<T>;
    }

  private:
    Buffer<T> buffer_;
};

}  // namespace chainrule

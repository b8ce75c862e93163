// The matrix products of a network: all of them by one register tile.
//
// Every entry of a result is summed over k in ascending order, whatever the rows that are asked
// for, so that splitting the rows among threads changes no bit.
#pragma once

#include "kernels.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// The accumulators of a tile, with one row of b and one entry of a, fill the registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int tile_rows = 8, gradient_rows = 8, tile_vectors = 2;
#else
constexpr int tile_rows = 6, gradient_rows = 4, tile_vectors = 2;
#endif

// A panel of b of this depth is 32 KiB and stays in the first level cache; so many rows of a, of
// that depth, stay in the second.
constexpr long block_depth = 256, block_rows = 192;

// sums[i][j] += sum_k a[i * a_row + k * a_k] * b[k][j] for k < depth, b being part of a panel.
template <class T, int rows, int vectors>
CHAINRULE_INLINE void accumulate(long depth, const T* a, long a_row, long a_k, const T* b,
                                 Vec<T> (&sums)[rows][vectors]) {
    CHAINRULE_UNROLL(4)
    for (long k = 0; k < depth; k++) {
        Vec<T> b_k[vectors];
        CHAINRULE_UNROLL(4)
        for (int j = 0; j < vectors; j++) b_k[j] = load(b + k * panel<T> + j * lanes<T>);
        CHAINRULE_UNROLL(16)
        for (int i = 0; i < rows; i++) {
            const Vec<T> a_ik = broadcast(a[i * a_row + k * a_k]);
            CHAINRULE_UNROLL(4)
            for (int j = 0; j < vectors; j++) sums[i][j] += a_ik * b_k[j];
        }
    }
}

// One tile of c = start + a b, or with `transposed` of a^T b, b being one panel. The rows of a
// go on in its next panel; start is c itself or, with a stride of 0, one row for all.
template <class T, int rows, int vectors, bool transposed>
__attribute__((noinline)) void multiply_tile(long depth, const T* a, long a_stride, const T* b,
                                             const T* start, long start_stride, T* c) {
    Vec<T> sums[rows][vectors];
    CHAINRULE_UNROLL(16)
    for (int i = 0; i < rows; i++)
        CHAINRULE_UNROLL(4)
        for (int j = 0; j < vectors; j++)
            sums[i][j] = load(start + i * start_stride + j * lanes<T>);
    if constexpr (transposed) {
        accumulate<T>(depth, a, 1, panel<T>, b, sums);
    } else {
        for (; depth >= panel<T>; depth -= panel<T>, a += a_stride, b += panel<T> * panel<T>)
            accumulate<T>(panel<T>, a, panel<T>, 1, b, sums);
        if (depth) accumulate<T>(depth, a, panel<T>, 1, b, sums);
    }
    CHAINRULE_UNROLL(16)
    for (int i = 0; i < rows; i++)
        CHAINRULE_UNROLL(4)
        for (int j = 0; j < vectors; j++) store(c + i * panel<T> + j * lanes<T>, sums[i][j]);
}

// The tile for the n rows and vectors that are left, if there are fewer than fill one.
template <class T, bool transposed, int rows, int vectors = tile_vectors>
CHAINRULE_INLINE void multiply_rest(long n, int vectors_left, long depth, const T* a,
                                    long a_stride, const T* b, const T* start, long start_stride,
                                    T* c) {
    if constexpr (vectors > 1) {
        if (vectors_left < vectors)
            return multiply_rest<T, transposed, rows, vectors - 1>(
                n, vectors_left, depth, a, a_stride, b, start, start_stride, c);
    }
    if constexpr (rows > 1) {
        if (n < rows)
            return multiply_rest<T, transposed, rows - 1, vectors>(
                n, vectors_left, depth, a, a_stride, b, start, start_stride, c);
    }
    multiply_tile<T, rows, vectors, transposed>(depth, a, a_stride, b, start, start_stride, c);
}

template <class T>
alignas(64) constexpr T zeros[panel<T>] = {};

// Rows [first, last) of c = a b + bias, for a of `depth` columns and b of `columns`; a null bias
// is none. With `add`, adds a b to c instead. `done(p, from, to)` is called as soon as rows [from, to) of panel p of c have their
// values.
template <class T, class Done>
void multiply(long first, long last, long depth, long columns, Panels<T> a, Panels<T> b,
              const T* bias, Panels<T> c, Done done, bool add = false) {
    for (long k = 0, next; k < depth; k = next) {
        next = depth - k < block_depth * 3 / 2 ? depth : k + block_depth;
        for (long r = first; r < last; r += block_rows) {
            const long end = r + block_rows < last ? r + block_rows : last;
            for (long p = 0; p * panel<T> < columns; p++) {
                const int vectors = vectors_in<T>(columns - p * panel<T>);
                for (int v = 0; v < vectors; v += tile_vectors) {
                    const T* b_k = b.at(p, k) + v * lanes<T>;
                    const T* start = (bias ? bias + p * panel<T> : zeros<T>) + v * lanes<T>;
                    for (long i = r; i < end; i += tile_rows) {
                        T* c_i = c.at(p, i) + v * lanes<T>;
                        multiply_rest<T, false, tile_rows>(
                            end - i, vectors - v, next - k, a.at(k / panel<T>, i), a.stride, b_k,
                            k || add ? c_i : start, k || add ? panel<T> : 0, c_i);
                    }
                }
                if (next == depth) done(p, r, end);
            }
        }
    }
}

// As `multiply` for a narrow b, given by its transpose: by vectors along k.
template <class T>
void multiply_narrow(long first, long last, long depth, long columns, Panels<T> a,
                     Panels<T> b_transposed, const T* bias, Panels<T> c) {
    for (long r = first; r < last; r++) {
        std::memset(c.at(0, r), 0, 128);  // the empty columns as well
        for (long j = 0; j < columns; j++) {
            Vec<T> sums = {};
            for (long p = 0; p * panel<T> < depth; p++)
                for (long v = 0; v < panel<T>; v += lanes<T>)
                    sums += load(a.at(p, r) + v) * load(b_transposed.at(p, j) + v);
            c.at(0, r)[j] = sum<T>(sums) + (bias ? bias[j] : T(0));
        }
    }
}

// As `gradient_block` for a narrow b: by vectors along the rows of g.
template <class T>
void gradient_narrow(long n, const T* a, const T* b, long rows, long columns, bool add, T* g) {
    if (!add) std::memset(g, 0, rows * 128);  // the empty columns as well
    for (long j = 0; j < columns; j++) {
        Vec<T> sums[panel<T> / lanes<T>] = {};
        for (long s = 0; s < n; s++)
            for (long v = 0; v < panel<T> / lanes<T>; v++)
                sums[v] += load(a + s * panel<T> + v * lanes<T>) * b[s * panel<T> + j];
        for (long r = 0; r < rows; r++) g[r * panel<T> + j] += sums[r / lanes<T>][r % lanes<T>];
    }
}

// g = a^T b over n samples, for one panel of a and one of b: panel x panel entries, of which
// `rows` x `columns` are wanted. With `add`, adds to g.
template <class T>
void gradient_block(long n, const T* a, const T* b, long rows, long columns, bool add, T* g) {
    if (columns <= narrow) return gradient_narrow(n, a, b, rows, columns, add, g);
    constexpr long width = panel<T>;
    const int vectors = vectors_in<T>(columns);
    for (long s = 0; s < n; s += block_depth) {
        const long depth = n - s < block_depth ? n - s : block_depth;
        for (int v = 0; v < vectors; v += tile_vectors)
            for (long r = 0; r < rows; r += gradient_rows) {
                T* g_r = g + r * width + v * lanes<T>;
                multiply_rest<T, true, gradient_rows>(
                    gradient_rows, vectors - v, depth, a + s * width + r, 0,
                    b + s * width + v * lanes<T>, add || s ? g_r : zeros<T>,
                    add || s ? width : 0, g_r);
            }
    }
}

// sums = b summed over n samples, for one panel of b.
template <class T>
void sum_rows(long n, const T* b, bool add, T* sums) {
    for (long v = 0; v < panel<T>; v += lanes<T>) {
        Vec<T> total = add ? load(sums + v) : Vec<T>{};
        for (long s = 0; s < n; s++) total += load(b + s * panel<T> + v);
        store(sums + v, total);
    }
}

// Rows i and i + step, for every i without that bit, swap the lanes where their bits differ from
// it; done for each bit, the square is transposed.
template <class T, int step, std::size_t... lane>
CHAINRULE_INLINE void swap_lanes(Vec<T> (&square)[lanes<T>], std::index_sequence<lane...>) {
    constexpr int n = lanes<T>;
    CHAINRULE_UNROLL(16)
    for (int i = 0; i < n; i++) {
        if (i & step) continue;
        const Vec<T> low = square[i], high = square[i + step];
        square[i] = __builtin_shufflevector(low, high, (lane & step ? n + lane - step : lane)...);
        square[i + step] =
            __builtin_shufflevector(low, high, (lane & step ? n + lane : lane + step)...);
    }
    if constexpr (2 * step < n)
        swap_lanes<T, 2 * step>(square, std::index_sequence<lane...>());
}

// The sum of the lanes of each row of a square, as one vector.
template <class T, int step, std::size_t... lane>
CHAINRULE_INLINE Vec<T> sum_rows_of(Vec<T> (&square)[lanes<T>], std::index_sequence<lane...>) {
    constexpr int n = lanes<T>;
    CHAINRULE_UNROLL(16)
    for (int i = 0; i < n; i += 2 * step) {
        const Vec<T> low = square[i], high = square[i + step];
        square[i] =
            __builtin_shufflevector(low, high, (lane & step ? n + lane - step : lane)...) +
            __builtin_shufflevector(low, high, (lane & step ? n + lane : lane + step)...);
    }
    if constexpr (2 * step < n)
        return sum_rows_of<T, 2 * step>(square, std::index_sequence<lane...>());
    else
        return square[0];
}

// to = from^T for a block of panel x panel entries of which `rows` x `columns` are wanted; both
// lie in panels. The others are written too, up to whole vectors.
template <class T>
void transpose_block(const T* from, T* to, long rows, long columns) {
    constexpr int n = lanes<T>;
    for (long r = 0; r < rows; r += n) {
        for (long c = 0; c < columns; c += n) {
            Vec<T> square[n];
            CHAINRULE_UNROLL(16)
            for (int i = 0; i < n; i++) square[i] = load(from + (r + i) * panel<T> + c);
            swap_lanes<T, 1>(square, std::make_index_sequence<n>());
            CHAINRULE_UNROLL(16)
            for (int i = 0; i < n; i++) store(to + (c + i) * panel<T> + r, square[i]);
        }
    }
}

// Products of units, one column for each pair: to(s, q) = sum_m first_q(s) second_q(s) over so many
// passes. Units are rows of `units`, with the samples along them, those of the next pass so many
// rows further; the samples become rows. Pairs are taken, and written, up to whole vectors.
template <class T>
void multiply_pairs(long samples, const UnitPair* pairs, long count, long passes, long pass_rows,
                    Panels<T> units, Panels<T> to) {
    constexpr int n = lanes<T>;
    for (long s = 0; s < samples; s += n) {
        const T* at = units.at(s / panel<T>, 0) + s % panel<T>;
        for (long q = 0; q < count; q += n) {
            Vec<T> square[n];
            CHAINRULE_UNROLL(16)
            for (int i = 0; i < n; i++) {
                const T* first = at + pairs[q + i].first * panel<T>;
                const T* second = at + pairs[q + i].second * panel<T>;
                square[i] = load(first) * load(second);
                for (long m = 1; m < passes; m++) {
                    first += pass_rows * panel<T>, second += pass_rows * panel<T>;
                    square[i] += load(first) * load(second);
                }
            }
            swap_lanes<T, 1>(square, std::make_index_sequence<n>());
            T* row = to.at(q / panel<T>, s) + q % panel<T>;
            CHAINRULE_UNROLL(16)
            for (int i = 0; i < n; i++) store(row + i * panel<T>, square[i]);
        }
    }
}

}  // namespace chainrule::CHAINRULE_ISA

// Rows of the user's arrays: every type of number, every alignment and stride, dense and sparse.
#include <cstdint>

#include "check.hpp"
#include "threads.hpp"

namespace chainrule::test {
namespace {

// Half floats by their definition: sign, 5 bits of exponent, 10 of mantissa.
struct Half {
    uint16_t bits;
    operator double() const {
        const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
        const double sign = bits >> 15 ? -1 : 1;
        if (exponent == 31) return mantissa ? NAN : sign * HUGE_VAL;
        return sign * (exponent ? std::ldexp(1024 + mantissa, exponent - 25)
                                : std::ldexp(mantissa, -24));
    }
};

template <class S>
S any(Random& random) {
    S value;
    const uint64_t bits = random.bits();
    std::memcpy(&value, &bits, sizeof value);
    return value;
}
template <>
float any(Random& random) { return float(random.uniform(-9, 9)); }
template <>
double any(Random& random) { return random.uniform(-9, 9); }
template <>
bool any(Random& random) { return random.below(2); }

// The one rounding that a conversion takes.
template <class T, class S>
T converted(S value) {
    if constexpr (std::is_same_v<S, Half>) return T(double(value));
    else return T(value);
}
template <class T>
bool same(T got, T want) {
    return std::isnan(want) ? std::isnan(got) : same_bits(&got, &want, 1);
}

// How the numbers lie; all of them fill one piece of memory to its last byte.
enum class Layout { c, fortran, spaced, reversed, one_row };

template <class S, class T>
void test_dense(char format, long columns, Layout layout, long misalignment) {
    Case c("gather %c to %s, %ld columns, layout %d, misaligned by %ld", format, type_name<T>,
           columns, int(layout), misalignment);
    const long rows = layout == Layout::one_row ? 1 : 3, size = sizeof(S);
    Source x;
    x.format = format, x.rows = rows, x.columns = columns;
    x.column_stride = layout == Layout::fortran ? rows * size : size;
    x.row_stride = layout == Layout::fortran ? size : columns * size;
    if (layout == Layout::spaced)
        x.column_stride = size + 3, x.row_stride = columns * (size + 3) + 1;
    const long bytes = (rows - 1) * x.row_stride + (columns - 1) * x.column_stride + size;
    const Exact<char> memory(bytes, misalignment);
    x.data = memory.get();
    if (layout == Layout::reversed) {
        x.data += bytes - size;
        x.row_stride *= -1, x.column_stride *= -1;
    }
    Random random(columns);
    std::vector<S> values;
    for (long r = 0; r < rows; r++)
        for (long j = 0; j < columns; j++) {
            const S value = any<S>(random);
            std::memcpy(const_cast<char*>(x.data) + r * x.row_stride + j * x.column_stride,
                        &value, size);
            values.push_back(value);
        }
    Grid<T> to(3, columns, random);
    const auto gather = kernels<T>().gather_for(x);
    for (long r = 0; r < rows; r++) {
        gather(x, r, to.at(0, 1), to.stride);
        for (long j = 0; j < columns; j++)
            if (!same(to(1, j), converted<T>(values[r * columns + j])))
                c.fail("row %ld column %ld: %g", r, j, double(to(1, j)));
        c.check(to.changed_only(1, 2, columns), "wrote what is not its own");
    }
}

template <class S, class Index, class T>
void test_sparse(char format, long columns) {
    Case c("gather sparse %c, %zu-byte indices, to %s, %ld columns", format, sizeof(Index),
           type_name<T>, columns);
    Random random(columns);
    const long rows = 5;
    std::vector<std::vector<std::pair<Index, S>>> entries(rows);
    long n = 0;
    for (long r = 0; r < rows; r++)
        for (long e = 0; r != 2 && e < 1 + columns / 2; e++, n++)  // row 2 is empty
            entries[r].push_back({Index(random.below(columns)), any<S>(random)});
    for (auto& row : entries)  // the last column, and one twice in a row
        if (row.size() > 2) row[0].first = Index(columns - 1), row[2].first = row[1].first;
    const Exact<S> data(n);
    const Exact<Index> indices(n), starts(rows + 1);
    for (long r = 0, at = 0; r < rows; r++, starts[r] = Index(at))
        for (const auto& [column, value] : entries[r]) indices[at] = column, data[at++] = value;
    Source x;
    x.format = format, x.rows = rows, x.columns = columns, x.wide_indices = sizeof(Index) == 8;
    x.data = reinterpret_cast<const char*>(data.get());
    x.indices = reinterpret_cast<const char*>(indices.get());
    x.starts = reinterpret_cast<const char*>(starts.get());
    Grid<T> to(3, columns, random);
    const auto gather = kernels<T>().gather_for(x);
    for (long r = 0; r < rows; r++) {
        std::vector<T> want(columns);
        for (const auto& [column, value] : entries[r]) want[column] += converted<T>(value);
        gather(x, r, to.at(0, 1), to.stride);
        for (long j = 0; j < columns; j++)
            if (!same(to(1, j), want[j]))
                c.fail("row %ld column %ld: %g, not %g", r, j, double(to(1, j)), double(want[j]));
        c.check(to.changed_only(1, 2, round_up(columns, panel<T>)), "wrote what is not its own");
    }
}

template <class S, class T>
void test_type(char format) {
    for (long columns : {1, 2, 5, 15, 16, 17, 31, 32, 33, 63, 64, 65, 97}) {
        for (Layout layout : {Layout::c, Layout::fortran, Layout::spaced, Layout::reversed,
                              Layout::one_row})
            for (long misalignment : {0, 1, 7})
                if (!quick || (columns + misalignment) % 3 == 1)
                    test_dense<S, T>(format, columns, layout, misalignment);
        if (format != 'e' && format != '?') {
            test_sparse<S, int32_t, T>(format, columns);
            test_sparse<S, int64_t, T>(format, columns);
        }
    }
}

// Every half float there is, with and without the flushing of denormal numbers while training.
template <class T>
void test_all_halves(bool flush) {
    Case c("every half float to %s, flushing %d", type_name<T>, flush);
    const long n = 1 << 16;
    const Exact<uint16_t> halves(n);
    for (long i = 0; i < n; i++) halves[i] = uint16_t(i);
    Source x;
    x.data = reinterpret_cast<const char*>(halves.get());
    x.format = 'e', x.rows = 1, x.columns = n, x.column_stride = 2, x.row_stride = 2 * n;
    Random random(1);
    const Grid<T> to(1, n, random);
    if (flush) {
        const DenormalsFlushed flushed(true);
        kernels<T>().gather_for(x)(x, 0, to.data, to.stride);
    } else {
        kernels<T>().gather_for(x)(x, 0, to.data, to.stride);
    }
    for (long i = 0; i < n; i++)
        if (!same(to(0, i), T(double(Half{uint16_t(i)})))) c.fail("%#lx: %g", i, double(to(0, i)));
}

// Whole numbers halfway between two floats, where a detour by another type would round twice.
template <class S, class T>
void test_rounding(char format) {
    Case c("rounding of %c to %s", format, type_name<T>);
    Random random(3);
    const long n = 1000;
    const Exact<S> values(n);
    for (long i = 0; i < n; i++) {
        const S top = S(1) << (8 * sizeof(S) - 2 - random.below(6));
        const int bits = sizeof(T) == 4 ? 24 : 53;
        // half a unit in the last place of numbers from `top`
        const S half = S(uint64_t(top) >> bits);
        values[i] = S(top + half * S(1 + random.below(1000)) + S(random.below(3)) - S(1));
    }
    Source x;
    x.data = reinterpret_cast<const char*>(values.get());
    x.format = format, x.rows = 1, x.columns = n, x.column_stride = sizeof(S);
    const Grid<T> to(1, n, random);
    kernels<T>().gather_for(x)(x, 0, to.data, to.stride);
    for (long i = 0; i < n; i++) c.near(to(0, i), T(values[i]), 0, 0, i);
}

template <class T>
void tests() {
    test_type<Half, T>('e');
    test_type<float, T>('f');
    test_type<double, T>('d');
    test_type<int8_t, T>('b');
    test_type<int16_t, T>('h');
    test_type<int32_t, T>('i');
    test_type<int64_t, T>('l');
    test_type<int64_t, T>('q');
    test_type<bool, T>('?');
    test_type<uint8_t, T>('B');
    test_type<uint16_t, T>('H');
    test_type<uint32_t, T>('I');
    test_type<uint64_t, T>('L');
    test_type<uint64_t, T>('Q');
    for (bool flush : {false, true}) test_all_halves<T>(flush);
    test_rounding<int32_t, T>('i');
    test_rounding<int64_t, T>('l');
    test_rounding<uint64_t, T>('L');
    Case c("gather of a type that is none");
    Source x;
    x.format = 'Z';
    c.check(!kernels<T>().gather_for(x), "has a function");
}

}  // namespace
}  // namespace chainrule::test

int main() {
    return chainrule::test::run([] {
        chainrule::test::tests<float>();
        chainrule::test::tests<double>();
    });
}

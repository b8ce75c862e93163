// Rows of the user's arrays as rows of panels, converted while they are read.
#pragma once

#include <cstring>

#include "panels.hpp"
#include "source.hpp"

namespace chainrule::CHAINRULE_ISA {

struct Half {
    uint16_t bits;

    // By integers, so that no denormal number takes part: those are flushed while training.
    operator float() const {
        const uint32_t sign = uint32_t(bits & 0x8000) << 16, rest = bits & 0x7fff;
        const float small = float(rest) * 0x1p-24f;  // a denormal half, as a normal float
        uint32_t wide = (rest << 13) + ((rest < 0x7c00 ? 127 - 15 : 255 - 31) << 23);
        if (rest < 0x0400) std::memcpy(&wide, &small, sizeof wide);
        wide |= sign;
        float value;
        std::memcpy(&value, &wide, sizeof value);
        return value;
    }
};

template <class S, class T>
void gather_dense(const Source& x, long row, T* to, long panel_stride) {
    const char* from = x.row(row);
    if (std::is_same_v<S, T> && x.column_stride == long(sizeof(T))) {  // copied as they are
        long c = 0;
        for (; c + panel<T> <= x.columns; c += panel<T>, to += panel_stride, from += 128)
            std::memcpy(to, from, 128);
        std::memcpy(to, from, (x.columns - c) * sizeof(T));
        return;
    }
    for (long c0 = 0; c0 < x.columns; c0 += panel<T>, to += panel_stride) {
        const long n = x.columns - c0 < panel<T> ? x.columns - c0 : panel<T>;
        S values[panel<T>];  // a copy, because the user's rows need not be aligned
        if (x.column_stride == long(sizeof(S)) && n == panel<T>)
            std::memcpy(values, from + c0 * long(sizeof(S)), sizeof values);
        else
            for (long c = 0; c < n; c++)
                std::memcpy(values + c, from + (c0 + c) * x.column_stride, sizeof(S));
        for (long c = 0; c < n; c++) to[c] = T(values[c]);
    }
}

template <class S, class Index, class T>
void gather_sparse(const Source& x, long row, T* to, long panel_stride) {
    const Index* starts = reinterpret_cast<const Index*>(x.starts);
    const Index* indices = reinterpret_cast<const Index*>(x.indices);
    const S* entries = reinterpret_cast<const S*>(x.data);
    for (long p = 0; p < panels_for<T>(x.columns); p++)
        std::memset(to + p * panel_stride, 0, 128);
    // Entries that name a column twice add up, as they do when SciPy makes them dense.
    for (Index e = starts[row]; e < starts[row + 1]; e++)
        to[indices[e] / panel<T> * panel_stride + indices[e] % panel<T>] += T(entries[e]);
}

// The function that writes one row of x, cut into panels that lie panel_stride apart.
template <class T>
auto gather_for(const Source& x) -> void (*)(const Source&, long row, T* to, long panel_stride) {
    const auto from = [&](auto zero) {
        using S = decltype(zero);
        return !x.starts       ? gather_dense<S, T>
               : x.wide_indices ? gather_sparse<S, int64_t, T>
                                : gather_sparse<S, int32_t, T>;
    };
    switch (x.format) {
        case 'e': return from(Half{});
        case 'f': return from(float{});
        case 'd': return from(double{});
        case 'b': return from(int8_t{});
        case 'h': return from(int16_t{});
        case 'i': return from(int32_t{});
        case 'l': case 'q': return from(int64_t{});
        case '?': case 'B': return from(uint8_t{});
        case 'H': return from(uint16_t{});
        case 'I': return from(uint32_t{});
        case 'L': case 'Q': return from(uint64_t{});
        default: return nullptr;
    }
}

}  // namespace chainrule::CHAINRULE_ISA

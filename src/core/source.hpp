// Rows of the user's arrays: any number type, any strides, dense or sparse, read in place.
#pragma once

#include <cstdint>

namespace chainrule {

// Samples as rows. Sparse ones (CSR) have index arrays; their `data` are the stored entries.
struct Source {
    const char* data = nullptr;
    char format = 'f';  // the type of a number, by the letters of Python's struct module
    long rows = 0, columns = 0;
    long row_stride = 0, column_stride = 0;  // in bytes
    const char* indices = nullptr;           // the column of each stored entry
    const char* starts = nullptr;            // rows + 1 positions of a row's first entry
    bool wide_indices = false;               // 64 bits, not 32

    const char* row(long r) const { return data + r * row_stride; }
};

// Some of the samples, in some order.
struct Samples {
    Source X, Y, weight;              // without data: there are none
    const uint32_t* order = nullptr;  // null: as they come

    long row(long i) const { return order ? order[i] : i; }
};

}  // namespace chainrule

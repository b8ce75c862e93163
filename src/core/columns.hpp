// Numbers of a table's columns as inputs of a network: scaled, whether they are missing, bends.
#pragma once

#include <vector>

namespace chainrule {

// One column, and where its inputs stand in a row. What they are is in chainrule/tables/shapes.py.
struct NumberColumn {
    const double* values;  // NaN is what is missing
    double median;         // takes its place
    double center, scale;
    double center_missing, scale_missing;  // of whether it is missing, as 0 or 1
    std::vector<double> knots;             // three or more, or none
    float weight;                          // of the bends
    long place, place_missing, place_bends;  // place_missing is -1 for a column without that input
};

// Writes the inputs of rows of a table; other entries of the rows are left alone.
void encode(const std::vector<NumberColumn>& columns, long rows, float* to, long row_stride,
            int threads);

}  // namespace chainrule

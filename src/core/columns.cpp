// Compiled without fused products, so that the bits are those of the same formulas in NumPy.
#include "columns.hpp"

#include <cmath>

#include "threads.hpp"

namespace chainrule {

namespace {

constexpr long block = 256;     // rows, whose inputs stay in the second level cache
constexpr double farthest = 1e15;  // scaled numbers beyond it have squares that may overflow

// z / sqrt(1 + (z/3)^2), which stays between -3 and 3
double soft(double z) {
    z = z < -farthest ? -farthest : z > farthest ? farthest : z;
    const double third = z / 3;
    return z / std::sqrt(1 + third * third);
}

// Hat functions on the knots: 1 there, falling linearly to 0 at the neighbours.
void bends(const NumberColumn& column, const double* x, long n, float* to, long row_stride) {
    const double* knots = column.knots.data();
    const long last = long(column.knots.size()) - 1;
    double inside[block];
    long left[block] = {};
    for (long i = 0; i < n; i++)
        inside[i] = x[i] < knots[0] ? knots[0] : x[i] > knots[last] ? knots[last] : x[i];
    for (long k = 1; k < last; k++)
        for (long i = 0; i < n; i++) left[i] += inside[i] >= knots[k];
    for (long i = 0; i < n; i++, to += row_stride) {
        const double *from = knots + left[i], share = (inside[i] - from[0]) / (from[1] - from[0]);
        for (long k = 0; k <= last; k++) to[k] = 0;
        to[left[i] + 1] = float(share) * column.weight;
        to[left[i]] = (1 - float(share)) * column.weight;
    }
}

void encode_block(const NumberColumn& column, long first, long n, float* to, long row_stride) {
    double x[block];
    float scaled[block];
    const double* values = column.values + first;
    for (long i = 0; i < n; i++) x[i] = std::isnan(values[i]) ? column.median : values[i];
    for (long i = 0; i < n; i++) scaled[i] = float(soft((x[i] - column.center) / column.scale));
    for (long i = 0; i < n; i++) to[i * row_stride + column.place] = scaled[i];
    if (column.place_missing >= 0) {
        const float here = float(soft((0 - column.center_missing) / column.scale_missing)),
                    gone = float(soft((1 - column.center_missing) / column.scale_missing));
        for (long i = 0; i < n; i++)
            to[i * row_stride + column.place_missing] = std::isnan(values[i]) ? gone : here;
    }
    if (!column.knots.empty()) bends(column, x, n, to + column.place_bends, row_stride);
}

}  // namespace

void encode(const std::vector<NumberColumn>& columns, long rows, float* to, long row_stride,
            int threads) {
    run_team(threads, [&](Member me) {
        const auto [first, last] = me.rows(rows);
        for (long row = first; row < last; row += block)
            for (const NumberColumn& column : columns)
                encode_block(column, row, std::min(block, last - row), to + row * row_stride,
                             row_stride);
    });
}

}  // namespace chainrule

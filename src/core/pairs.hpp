// Sums over samples of products of four numbers: of a pair of lambdas and a pair of phis.
//
// The derivative of an output m by the weight from unit a to unit j of layer L is lambda^L_mj
// phi^(L-1)_a, so the products of two such derivatives, summed over outputs and samples, are
//
//     sum_s (sum_m lambda^L_mj lambda^M_mk) (phi^(L-1)_a phi^(M-1)_b).
//
// With the sum over the outputs done first, they are the entries of an ordinary product A^T B: A
// has a column for each pair of lambdas (j, k), B for each pair of phis (a, b). Where L = M, pairs in
// the other order are the same, and left out. For K outputs that takes less than 1 / K of the
// multiplications in J^T J.
#pragma once

#include <algorithm>
#include <vector>

#include "kernels.hpp"

namespace chainrule {

// Rows [start, start + n) of a matrix of units; then, if there is one, another row.
struct Units {
    long start, n, another = -1;

    long size() const { return n + (another >= 0); }
    int row(long i) const { return int(i < n ? start + i : another); }
};

// Pairs of a unit of one layer with a unit of another, or of the same, in a fixed order.
struct Pairs {
    enum Kind { all, ordered, equal } kind;  // (i, j); those with i <= j; those with i = j
    Units first, second;

    long count() const {
        const long n = first.size();
        return kind == all ? n * second.size() : kind == ordered ? n * (n + 1) / 2 : n;
    }
    long index(long i, long j) const {
        if (kind == all) return i * second.size() + j;
        return kind == ordered ? i * first.size() - i * (i - 1) / 2 + (j - i) : i;
    }

    // Lists n of them from an index on, and the last again up to whole panels.
    void list(long index, long n, UnitPair* to) const {
        long i = kind == all ? index / second.size() : kind == equal ? index : 0;
        while (kind == ordered && this->index(i + 1, i + 1) <= index) i++;
        long j = kind == all ? index % second.size() : i + index - this->index(i, i);
        for (long q = 0; q < n; q++) {
            to[q] = {first.row(i), second.row(j)};
            if (kind == equal || ++j == second.size()) j = kind == all ? 0 : i + 1, i++;
        }
        std::fill(to + n, to + round_up(n, panel<double>), to[n - 1]);
    }
};

// Units of so many passes, as rows with the samples along them.
struct UnitValues {
    Panels<double> values;
    long passes, pass_rows;
};

// The sums for one pair of layers, cut into tiles that can be added to side by side.
class PairSums {
  public:
    // The pairs of so many samples and of one tile stay in the second level cache.
    static constexpr long depth = 128, most_rows = 128, most_columns = 256;

    struct Tile {
        const PairSums* of;
        long first_row, rows, first_column, columns;
        Panels<double> sums;

        long size() const { return round_up(rows, panel<double>) * round_up(columns, panel<double>); }
    };
    struct Scratch {
        Matrix<double> rows{depth + 4, most_rows}, columns{depth + 4, most_columns};
        UnitPair row_pairs[most_rows], column_pairs[most_columns];
    };

    PairSums(const Pairs& lambdas, const Pairs& phis)
        : lambdas_(lambdas), phis_(phis),
          // Few columns have a product of their own; few rows would leave registers empty.
          by_lambda_(lambdas.count() > narrow || phis.count() <= lambdas.count()),
          row_step_(step(rows().count(), most_rows)),
          column_step_(step(columns().count(), most_columns)) {}

    std::vector<Tile> tiles() const {
        std::vector<Tile> tiles;
        for (long r = 0; r < rows().count(); r += row_step_)
            for (long c = 0; c < columns().count(); c += column_step_)
                tiles.push_back({this, r, std::min(row_step_, rows().count() - r), c,
                                 std::min(column_step_, columns().count() - c), {}});
        return tiles;
    }

    // Adds the sums over so many samples. Every sum is over samples in their order.
    void add(const Tile& tile, long samples, const UnitValues& lambdas, const UnitValues& phis,
             const Kernels<double>& kernels, Scratch& scratch) const {
        rows().list(tile.first_row, tile.rows, scratch.row_pairs);
        columns().list(tile.first_column, tile.columns, scratch.column_pairs);
        for (long s = 0; s < samples; s += depth) {
            const long n = std::min(depth, samples - s);
            const auto multiply = [&](const UnitValues& units, const UnitPair* pairs, long count,
                                      const Matrix<double>& to) {
                kernels.multiply_pairs(n, pairs, count, units.passes, units.pass_rows,
                                       {units.values.at(s / panel<double>, 0), units.values.stride}, to);
            };
            multiply(by_lambda_ ? lambdas : phis, scratch.row_pairs, tile.rows, scratch.rows);
            multiply(by_lambda_ ? phis : lambdas, scratch.column_pairs, tile.columns,
                     scratch.columns);
            for (long c = 0; c < tile.columns; c += panel<double>)
                for (long r = 0; r < tile.rows; r += panel<double>)
                    kernels.gradient_block(n, scratch.rows.at(r / panel<double>, 0),
                                           scratch.columns.at(c / panel<double>, 0),
                                           std::min(panel<double>, tile.rows - r),
                                           std::min(panel<double>, tile.columns - c), true,
                                           tile.sums.at(c / panel<double>, r));
        }
    }

    // Writes the sums of lambdas (j, k) with all pairs of phis. `tiles` begins with those of
    // `tiles()`, in that order.
    void read(const Tile* tiles, long j, long k, double* to) const {
        const long pair = lambdas_.index(j, k), down = ceil_div(rows().count(), row_step_);
        const long across = ceil_div(columns().count(), column_step_);
        if (by_lambda_) {
            tiles += pair / row_step_ * across;
            for (const Tile* t = tiles; t < tiles + across; t++)
                for (long c = 0; c < t->columns; c += panel<double>)
                    to = std::copy_n(t->sums.at(c / panel<double>, pair - t->first_row),
                                     std::min(panel<double>, t->columns - c), to);
        } else {
            const long strip = pair / column_step_, column = pair % column_step_;
            for (long i = 0; i < down; i++) {
                const Tile& t = tiles[i * across + strip];
                for (long r = 0; r < t.rows; r++)
                    *to++ = t.sums.at(column / panel<double>, r)[column % panel<double>];
            }
        }
    }

    const Pairs& lambdas() const { return lambdas_; }
    const Pairs& phis() const { return phis_; }

  private:
    const Pairs& rows() const { return by_lambda_ ? lambdas_ : phis_; }
    const Pairs& columns() const { return by_lambda_ ? phis_ : lambdas_; }
    // Steps of whole panels, as even as they can be.
    static long step(long n, long most) {
        return round_up(ceil_div(n, ceil_div(n, most)), panel<double>);
    }

    Pairs lambdas_, phis_;
    bool by_lambda_;  // whether its pairs are the rows of the sums
    long row_step_, column_step_;
};

}  // namespace chainrule

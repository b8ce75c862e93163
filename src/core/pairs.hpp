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
// multiplications in J^T J. Where lambdas are so few that making B would be most of the work, A
// has a column for each phi, times one pair of lambdas, and B for each phi alone.
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
// Columns for a product, one for each pair of units; of several passes, the sum of theirs.
struct PairColumns {
    Pairs pairs;
    const UnitValues* units;
};

// The product A^T B of such columns, summed over samples. It is cut into tiles that can be added to
// side by side.
class PairSums {
  public:
    // The columns of a tile, of so many samples, stay in the second level cache.
    static constexpr long depth = 128, most_rows = 128, most_columns = 256;

    struct Tile {
        const PairSums* of;
        long first_row, rows, first_column, columns;
        Panels<double> sums;  // rows of A^T B as rows

        long size() const { return round_up(rows, panel<double>) * round_up(columns, panel<double>); }
    };
    struct Scratch {
        Matrix<double> a{depth + 4, most_rows}, b{depth + 4, most_columns};
        UnitPair a_pairs[most_rows], b_pairs[most_columns];
    };

    // With `upper`, only sums whose column is not before their row are wanted.
    PairSums(const PairColumns& a, const PairColumns& b, bool upper)
        : a_(a), b_(b), upper_(upper), n_rows_(a.pairs.count()), n_columns_(b.pairs.count()),
          row_step_(step(n_rows_, most_rows)), column_step_(step(n_columns_, most_columns)) {}

    // Those that nobody wants are empty.
    std::vector<Tile> tiles() const {
        std::vector<Tile> tiles;
        for (long r = 0; r < n_rows_; r += row_step_)
            for (long c = 0; c < n_columns_; c += column_step_) {
                Tile tile{this, r, std::min(row_step_, n_rows_ - r), c,
                          std::min(column_step_, n_columns_ - c), {}};
                if (upper_ && c + tile.columns <= r) tile.rows = 0;
                tiles.push_back(tile);
            }
        return tiles;
    }

    // Adds the sums over n samples, each in the order of the samples.
    void add(const Tile& tile, long n, const Kernels<double>& kernels, Scratch& scratch) const {
        if (!tile.rows) return;
        a_.pairs.list(tile.first_row, tile.rows, scratch.a_pairs);
        b_.pairs.list(tile.first_column, tile.columns, scratch.b_pairs);
        for (long s = 0; s < n; s += depth) {
            const long now = std::min(depth, n - s);
            multiply(a_, scratch.a_pairs, tile.rows, s, now, kernels, scratch.a);
            multiply(b_, scratch.b_pairs, tile.columns, s, now, kernels, scratch.b);
            for (long c = 0; c < tile.columns; c += panel<double>)
                for (long r = 0; r < tile.rows; r += panel<double>)
                    kernels.gradient_block(now, scratch.a.at(r / panel<double>, 0),
                                           scratch.b.at(c / panel<double>, 0),
                                           std::min(panel<double>, tile.rows - r),
                                           std::min(panel<double>, tile.columns - c), true,
                                           tile.sums.at(c / panel<double>, r));
        }
    }

    // Writes a row of the sums from this column on, and returns the place after it. `tiles` begins
    // with those of `tiles()`, in that order.
    double* read(const Tile* tiles, long row, long from, double* to) const {
        tiles += row / row_step_ * ceil_div(n_columns_, column_step_);
        for (long c = from, next; c < n_columns_; c = next) {
            const Tile& tile = tiles[c / column_step_];
            const long column = c - tile.first_column;
            next = std::min(n_columns_, round_up(c + 1, panel<double>));
            to = std::copy_n(tile.sums.at(column / panel<double>, row - tile.first_row) +
                                 column % panel<double>, next - c, to);
        }
        return to;
    }

  private:
    // Steps of whole panels, as even as they can be.
    static long step(long n, long most) {
        return round_up(ceil_div(n, ceil_div(n, most)), panel<double>);
    }
    static void multiply(const PairColumns& columns, const UnitPair* pairs, long count, long first,
                         long n, const Kernels<double>& kernels, const Matrix<double>& to) {
        const auto& [values, passes, pass_rows] = *columns.units;
        kernels.multiply_pairs(n, pairs, count, passes, pass_rows,
                               {values.at(first / panel<double>, 0), values.stride}, to);
    }

    const PairColumns a_, b_;
    const bool upper_;
    const long n_rows_, n_columns_, row_step_, column_step_;
};

}  // namespace chainrule

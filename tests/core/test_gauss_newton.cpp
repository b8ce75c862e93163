// Sums of pairs, the Gauss-Newton matrix and its products: pairs against plain loops, the matrix
// against its products with unit vectors, and all of it with the same bits for any number of
// threads. This program runs under the thread sanitizer as well.
#include "gauss_newton.hpp"
#include "problems.hpp"
#include "rounded.hpp"

namespace chainrule::test {
namespace {

const Interrupted never = [] { return false; };

// Several tiles and chunks; sparse samples; softmax by another loss than its own.
const std::vector<Problem> more_problems = {
    {"tiles and chunks", {{{8, 25, {Activation::tanh, 0}}, {25, 25, {Activation::silu, 0}},
      {25, 3, {}}}, {Loss::log_cosh, 0}, true},
     quick ? 600 : 1300, 3, 0, {}, {}, false, true, Kind::halves},
    {"sparse, gamma", {{{40, 6, {Activation::mish, 0}}, {6, 2, {Activation::exponential, 0}}},
      {Loss::gamma, 0}, true},
     64, 2, 0, {}, {}, false, true, Kind::sparse},
    {"squares of a softmax", {{{5, 7, {Activation::sin, 0}}, {7, 4, {Activation::softmax, 0}}},
      {Loss::squared_error, 0}, true},
     30, 4, 0, {}, {}, false, false, Kind::dense},
    {"softmax of twenty", {{{3, 5, {Activation::sigmoid, 0}}, {5, 20, {Activation::softmax, 0}}},
      {Loss::cross_entropy, 0}, false},
     50, 20, 0, {}, {}, false, true, Kind::dense},
};

void test_pairs(Pairs::Kind kind, Units first, Units second) {
    Case c("pairs of kind %d, %ld and %ld units", int(kind), first.size(), second.size());
    std::vector<UnitPair> all;
    for (long i = 0; i < first.size(); i++)
        for (long j = 0; j < second.size(); j++)
            if (kind == Pairs::all || (kind == Pairs::ordered ? i <= j : i == j))
                all.push_back({first.row(i), second.row(j)});
    const Pairs pairs{kind, first, second};
    const long n = long(all.size());
    c.check(pairs.count() == n, "miscounted");
    for (long from = 0; from < n; from += 3)
        for (long count : {1l, 15l, 16l, 17l}) {
            count = std::min(count, n - from);
            std::vector<UnitPair> listed(round_up(count, 16), {-1, -1});
            pairs.list(from, count, listed.data());
            for (long q = 0; q < long(listed.size()); q++) {
                const UnitPair& want = all[from + std::min(q, count - 1)];
                c.check(listed[q].first == want.first && listed[q].second == want.second,
                        "listed another");
            }
        }
    for (long i = 0; i < first.size(); i++)
        for (long j = kind == Pairs::all ? 0 : i; j < (kind == Pairs::equal ? i + 1 : second.size());
             j++) {
            const UnitPair& found = all[pairs.index(i, j)];
            c.check(found.first == first.row(i) && found.second == second.row(j), "misplaced");
        }
}

template <class T>
void test_multiply_pairs(long samples, long count, long passes) {
    Case c("multiply_pairs %s of %ld samples, %ld pairs, %ld passes", type_name<T>, samples, count,
           passes);
    Random random(samples + count + passes);
    const long n = 5;  // units
    const Grid<T> units(n * passes, round_up(samples, panel<T>), random);
    Grid<T> products(round_up(samples, panel<T>), count, random);
    std::vector<UnitPair> pairs(round_up(count, panel<T>));
    for (UnitPair& pair : pairs) pair = {int(random.below(n)), int(random.below(n))};
    kernels<T>().multiply_pairs(samples, pairs.data(), count, passes, n, units, products);
    for (long s = 0; s < samples; s++)
        for (long q = 0; q < count; q++) {
            std::vector<Rounded<T>> terms;
            for (long m = 0; m < passes; m++)
                terms.push_back(Rounded<T>(units(m * n + pairs[q].first, s)) *
                                Rounded<T>(units(m * n + pairs[q].second, s)));
            expect(c, products(s, q), sum(terms), s, q);
        }
    c.check(products.changed_only(0, whole_vectors<T>(samples), whole_vectors<T>(count)) &&
                units.unchanged(), "wrote what is not its own");
}

// The sums of one pair of layers, in tiles, over several depths of samples.
void test_pair_sums(const Pairs& lambdas, const Pairs& phis, long units, long samples,
                    long passes) {
    Case c("sums of %ld pairs and %ld pairs, %ld samples", lambdas.count(), phis.count(), samples);
    Random random(units + samples);
    const Grid<double> lambda(passes * units, round_up(samples, 16), random);
    const Grid<double> phi(units, round_up(samples, 16), random);
    const PairSums sums(lambdas, phis);
    std::vector<PairSums::Tile> tiles = sums.tiles();
    std::vector<Buffer<double>> memory;
    PairSums::Scratch scratch;
    for (PairSums::Tile& tile : tiles) {
        memory.emplace_back(tile.size());
        tile.sums = {memory.back().get(), round_up(tile.rows, 16) * 16};
        for (int twice = 0; twice < 2; twice++)
            sums.add(tile, samples, {lambda, passes, units}, {phi, 1, 0}, kernels<double>(),
                     scratch);
    }
    const Exact<double> got(phis.count());
    std::vector<UnitPair> phi_pairs(round_up(phis.count(), 16)), lambda_pair(16);
    phis.list(0, phis.count(), phi_pairs.data());
    for (long j = 0; j < lambdas.first.size(); j++) {
        const long k = lambdas.kind == Pairs::equal ? j : lambdas.second.size() - 1;
        lambdas.list(lambdas.index(j, k), 1, lambda_pair.data());
        sums.read(tiles.data(), j, k, got.get());
        for (long q = 0; q < phis.count(); q += quick ? 7 : 1) {
            long double total = 0, size = 0;
            for (long s = 0; s < samples; s++)
                for (long m = 0; m < passes; m++) {
                    const long double term =
                        (long double)lambda(m * units + lambda_pair[0].first, s) *
                        lambda(m * units + lambda_pair[0].second, s) *
                        phi(phi_pairs[q].first, s) * phi(phi_pairs[q].second, s);
                    total += 2 * term, size += 2 * std::fabs(term);
                }
            c.near(got[q], total, (2 * samples + passes + 4) * unit<double> * size, j, q);
        }
    }
}

struct Answer {
    std::vector<double> gradient, matrix, product;
    double loss;
};

// Everything is full of NaN before, so that what is not written shows.
Answer answer(const NetworkSpec& spec, const Data<double>& data, const std::vector<double>& vector,
              int threads) {
    const long P = spec.parameters();
    const std::vector<double> unwritten(P, std::nan(""));
    Answer a{unwritten, std::vector<double>(P * P, std::nan("")), unwritten, 0};
    a.loss = normal_equations(spec, data.parameters.data(), data.samples, threads,
                              a.gradient.data(), a.matrix.data(), never);
    curvature_product(spec, data.parameters.data(), vector.data(), data.samples, threads,
                      a.product.data(), never);
    return a;
}

void test_matrix(const Problem& problem) {
    const NetworkSpec& spec = problem.spec;
    const Data<double> data(problem);
    const long P = spec.parameters();
    Random random(P);
    std::vector<double> vector(P);
    for (double& v : vector) v = random.uniform(-1, 1);
    const Answer alone = answer(spec, data, vector, 1);

    Case c("%s: the matrix and its products", problem.name);
    std::vector<double> gradient(P);
    const double loss = evaluate<double>(spec, data.parameters.data(), data.samples, 1,
                                         {nullptr, gradient.data(), nullptr, nullptr}, never);
    double largest = 0, steepest = 0;
    for (double g : alone.matrix) largest = std::max(largest, std::fabs(g));
    for (double g : gradient) steepest = std::max(steepest, std::fabs(g));
    c.near(alone.loss, loss, 1e-14 * std::fabs(loss));
    for (long p = 0; p < P; p++) c.near(alone.gradient[p], gradient[p], 1e-13 * steepest, p);
    bool symmetric = true;
    for (long p = 0; p < P; p++) {
        long double product = 0;
        for (long q = 0; q < P; q++) {
            product += (long double)alone.matrix[p * P + q] * vector[q];
            symmetric = symmetric && alone.matrix[p * P + q] == alone.matrix[q * P + p];
        }
        c.near(alone.product[p], product, 1e-13 * largest * P, p);
    }
    c.check(symmetric, "not symmetric");
    for (long p = 0; p < P; p += std::max(1l, P / (quick ? 3 : 20))) {  // entry by entry
        std::vector<double> unit_vector(P), column(P);
        unit_vector[p] = 1;
        curvature_product(spec, data.parameters.data(), unit_vector.data(), data.samples, 1,
                          column.data(), never);
        for (long q = 0; q < P; q++)
            c.near(alone.matrix[q * P + p], column[q], 1e-13 * largest, q, p);
    }
    for (int threads : {2, 3, 5}) {
        Case c("%s: on %d threads", problem.name, threads);
        const Answer a = answer(spec, data, vector, threads);
        c.check(a.loss == alone.loss && same_bits(a.matrix.data(), alone.matrix.data(), P * P) &&
                    same_bits(a.gradient.data(), alone.gradient.data(), P) &&
                    same_bits(a.product.data(), alone.product.data(), P), "other bits than on one");
    }
}

// An interruption ends the work after a chunk, and leaves no thread waiting.
void test_interrupted(int threads) {
    Case c("interrupted on %d threads", threads);
    Problem problem = more_problems[0];
    problem.rows = 3 * chunk_rows(problem.spec);  // several chunks of either kind
    const Data<double> data(problem);
    const long P = problem.spec.parameters();
    std::vector<double> gradient(P), matrix(P * P);
    int asked = 0;
    const Interrupted at_once = [&] { return ++asked > 0; };
    normal_equations(problem.spec, data.parameters.data(), data.samples, threads, gradient.data(),
                     matrix.data(), at_once);
    c.check(asked == 1, "asked again after it was told to stop");
    curvature_product(problem.spec, data.parameters.data(), gradient.data(), data.samples, threads,
                      gradient.data(), at_once);
    c.check(asked == 2, "asked again after it was told to stop");
}

}  // namespace
}  // namespace chainrule::test

int main() {
    using namespace chainrule::test;
    using chainrule::Pairs;
    return run([] {
        for (long n : {1, 2, 5, 20})
            for (long another : {-1, 60}) {
                test_pairs(Pairs::ordered, {3, n, another}, {3, n, another});
                test_pairs(Pairs::equal, {3, n, another}, {3, n, another});
                for (long m : {1, 7}) test_pairs(Pairs::all, {3, n, another}, {30, m, another});
            }
        for (long samples : {1, 7, 8, 9, 16, 50})
            for (long count : {1, 5, 16, 17, 40})
                for (long passes : {1, 2, 3}) {
                    test_multiply_pairs<float>(samples, count, passes);
                    test_multiply_pairs<double>(samples, count, passes);
                }
        // Few of either, and more than a tile of both.
        const auto sums = [](Pairs::Kind kind, long lambdas, Pairs::Kind phi_kind, long phis,
                             long samples, long passes) {
            test_pair_sums({kind, {0, lambdas}, {0, lambdas}}, {phi_kind, {0, phis}, {0, phis}},
                           std::max(lambdas, phis), samples, passes);
        };
        sums(Pairs::ordered, 1, Pairs::ordered, 21, 9, 1);
        sums(Pairs::equal, 3, Pairs::ordered, 30, 130, 3);
        sums(Pairs::ordered, 20, Pairs::ordered, 2, 300, 2);
        sums(Pairs::ordered, 2, Pairs::ordered, 2, 129, 1);
        sums(Pairs::all, 13, Pairs::all, 17, 140, 2);
        sums(Pairs::ordered, 17, Pairs::all, 3, 20, 1);
        for (const Problem& problem : problems)
            if (problem.spec.parameters() < (quick ? 1000 : 1500)) test_matrix(problem);
        for (const Problem& problem : more_problems) test_matrix(problem);
        for (int threads : {1, 2, 3}) test_interrupted(threads);
    });
}

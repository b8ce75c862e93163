// The matrix products, transposes and sums, against plain loops in a wider type.
#include "rounded.hpp"

namespace chainrule::test {
namespace {

// Dimensions at and around the edges of tiles (4, 6, 8 rows; vectors of 2 to 16), panels (16 and
// 32), row blocks (192) and blocks of depth (256, the last of which is up to half as long again).
const std::vector<long> few = {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 33};
const std::vector<long> edges = {1,   2,   3,   4,   5,   6,   7,   8,   9,   12,  13,
                                 15,  16,  17,  31,  32,  33,  63,  64,  65,  191, 192,
                                 193, 255, 256, 257, 383, 384, 385, 512, 513, 640, 641};

struct Shape {
    long rows, in, out;
};
std::vector<Shape> shapes() {
    std::vector<Shape> all;
    for (long n : edges) {  // each dimension through its edges, beside moderate others
        if (n <= 385) all.push_back({n, 17, 33});
        all.push_back({5, n, 9});
        all.push_back({13, 33, n});
        all.push_back({9, n, 3});
    }
    Random random(1);
    const auto any = [&](const std::vector<long>& from) { return from[random.below(from.size())]; };
    for (int i = 0; i < (quick ? 5 : 60); i++) all.push_back({any(few), any(few), any(few)});
    for (int i = 0; i < (quick ? 2 : 15); i++) all.push_back({any(edges), any(edges), any(edges)});
    if (!quick) all.push_back({385, 513, 65});
    return all;
}

// c = a b + bias over so many rows. What a sum of `depth` products and a start may be off: each
// product is rounded once, and once more in every partial sum that it is part of.
template <class T>
struct Product {
    Product(const Grid<T>& a, const Grid<T>& b, const T* bias, long rows, long depth, long columns)
        : depth(depth), columns(columns), values(rows * columns), sizes(rows * columns) {
        for (long r = 0; r < rows; r++)
            for (long k = -1; k < depth; k++) {
                if (k < 0 && !bias) continue;
                for (long c = 0; c < columns; c++) {
                    const Wide<T> term = k < 0 ? Wide<T>(bias[c]) : Wide<T>(a(r, k)) * b(k, c);
                    values[r * columns + c] += term;
                    sizes[r * columns + c] += std::fabs(term);
                }
            }
    }
    Rounded<T> operator()(long r, long c) const {
        const long double size = sizes[r * columns + c];
        return {values[r * columns + c], (depth + 2) * unit<T> * size};
    }

    const long depth, columns;
    std::vector<Wide<T>> values, sizes;
};

template <class T>
bool same_rows(const Grid<T>& a, const Grid<T>& b, long first, long last, long columns) {
    for (long r = first; r < last; r++)
        for (long c = 0; c < columns; c++)
            if (std::memcmp(&a(r, c), &b(r, c), sizeof(T))) return false;
    return true;
}

// Not all rows, so that what is before and after them must be left alone.
std::pair<long, long> rows_of(const Shape& s) {
    return {s.rows > 2 ? 1 : 0, s.rows - (s.rows > 4)};
}

// A layer may have its weights transposed as well, with zeros beyond the last column.
template <class T>
void test_forward(const Shape& s, bool with_bias, bool with_transpose) {
    const auto [first, last] = rows_of(s);
    Case c("forward %s %ld x %ld x %ld bias %d transpose %d", type_name<T>, s.rows, s.in, s.out,
           with_bias, with_transpose);
    Random random(s.rows + s.in + s.out);
    Grid<T> x(s.rows, s.in, random), W(s.in, s.out, random), rho(s.rows, s.out, random),
        phi(s.rows, s.out, random), slopes(s.rows, s.out, random);
    const Exact<T> bias(round_up(s.out, panel<T>), random);
    Grid<T> turned(s.out, s.in, random, 0, 0);
    for (long i = 0; i < s.in; i++)
        for (long j = 0; j < s.out; j++) turned(j, i) = W(i, j);
    Layer<T> layer{s.in, s.out, {}, W, with_transpose ? turned : Panels<T>{},
                   with_bias ? bias.get() : nullptr};
    const auto& forward = kernels<T>().forward;
    forward(layer, first, last, x, rho, {});
    const Product<T> product(x, W, layer.bias, s.rows, s.in, s.out);
    for (long r = first; r < last; r++)
        for (long j = 0; j < s.out; j++) expect(c, rho(r, j), product(r, j), r, j);
    const long written = round_up(s.out, panel<T>);
    c.check(rho.changed_only(first, last, written), "rho: wrote what is not its own");

    // Splitting the rows changes no bit.
    const long middle = first + (last - first) / 3;
    forward(layer, first, middle, x, phi, {});
    forward(layer, middle, last, x, phi, {});
    c.check(same_rows(phi, rho, first, last, s.out), "other rows, other bits");

    // Every row block of every panel goes through the activation, once.
    layer.activation = {Activation::softsign, 0};
    forward(layer, first, last, x, phi, slopes);
    for (long r = first; r < last; r++)
        for (long j = 0; j < s.out; j++) {
            const Rounded<T> z(rho(r, j)), one(T(1)), d = one + magnitude(z);
            expect(c, phi(r, j), z / d, r, j);
            expect(c, slopes(r, j), one / d * (one / d), r, j);
        }
    c.check(phi.changed_only(first, last, written), "phi: wrote what is not its own");
    c.check(slopes.changed_only(first, last, written), "slopes: wrote what is not its own");
    c.check(x.unchanged() && W.unchanged(), "wrote its inputs");
}

enum class Slope { given, one, of_tanh, of_sigmoid, of_relu };

template <class T>
void test_backward(const Shape& s, Slope slope) {
    const auto [first, last] = rows_of(s);
    Case c("backward %s %ld x %ld x %ld slope %d", type_name<T>, s.rows, s.in, s.out, int(slope));
    Random random(s.rows + s.in + s.out);
    Grid<T> lambda(s.rows, s.out, random), W(s.out, s.in, random), phi(s.rows, s.in, random),
        slopes(s.rows, s.in, random), below(s.rows, s.in, random);
    Activation kind = Activation::identity;
    if (slope == Slope::of_tanh) kind = Activation::tanh;
    if (slope == Slope::of_sigmoid) kind = Activation::sigmoid;
    if (slope == Slope::of_relu) kind = Activation::relu;
    const Layer<T> layer{s.in, s.out, {Activation::gelu, 0}, {}, W, nullptr};
    kernels<T>().backward(layer, first, last, lambda, {kind, 0}, phi,
                          slope == Slope::given ? slopes : Panels<T>{}, below);
    const Product<T> product(lambda, W, nullptr, s.rows, s.out, s.in);
    for (long r = first; r < last; r++)
        for (long i = 0; i < s.in; i++) {
            const Rounded<T> one(T(1)), y(phi(r, i)), omega = product(r, i);
            const Rounded<T> want = slope == Slope::given        ? omega * Rounded<T>(slopes(r, i))
                                    : slope == Slope::of_tanh    ? omega * (one - y * y)
                                    : slope == Slope::of_sigmoid ? omega * (y * (one - y))
                                    : slope == Slope::of_relu && phi(r, i) <= 0 ? Rounded<T>()
                                                                                : omega;
            expect(c, below(r, i), want, r, i);
        }
    c.check(below.changed_only(first, last, whole_vectors<T>(s.in)), "wrote what is not its own");
    c.check(lambda.unchanged() && W.unchanged() && phi.unchanged() && slopes.unchanged(),
            "wrote its inputs");
}

// The forward derivative of a layer: with the inputs moving or not, through an activation or not.
template <class T>
void test_tangent(const Shape& s, bool moving, bool bias, bool through) {
    const auto [first, last] = rows_of(s);
    Case c("tangent %s %ld x %ld x %ld, %d %d %d", type_name<T>, s.rows, s.in, s.out, moving, bias,
           through);
    Random random(s.rows + s.in + s.out);
    Grid<T> x(s.rows, s.in, random), x_dot(s.rows, s.in, random), W(s.in, s.out, random),
        W_dot(s.in, s.out, random), phi(s.rows, s.out, random), dot(s.rows, s.out, random);
    const Exact<T> bias_dot(round_up(s.out, panel<T>), random);
    const Layer<T> layer{s.in, s.out, {Activation::gelu, 0}, W, {}, bias_dot.get() + 1};
    const Layer<T> along{s.in, s.out, {Activation::gelu, 0}, W_dot, {},
                         bias ? bias_dot.get() : nullptr};
    kernels<T>().tangent(layer, along, first, last, x, moving ? x_dot : Panels<T>{},
                         {through ? Activation::tanh : Activation::identity, 0}, phi, {}, dot);
    const Product<T> of_weights(x, W_dot, along.bias, s.rows, s.in, s.out);
    const Product<T> of_inputs(x_dot, W, nullptr, s.rows, s.in, s.out);
    for (long r = first; r < last; r++)
        for (long j = 0; j < s.out; j++) {
            Rounded<T> want = of_weights(r, j);
            if (moving) {  // one sum after the other, in the same number
                const Rounded<T> more = of_inputs(r, j);
                want = {want.value + more.value,
                        want.error + more.error + s.in * unit<T> * std::fabs(want.value)};
            }
            const Rounded<T> y(phi(r, j)), one(T(1));
            expect(c, dot(r, j), through ? want * (one - y * y) : want, r, j);
        }
    c.check(dot.changed_only(first, last, whole_vectors<T>(s.out)) && x.unchanged() &&
                x_dot.unchanged() && W.unchanged() && W_dot.unchanged() && phi.unchanged(),
            "wrote what is not its own");
}

// One panel of samples' phi, and one of their lambda.
template <class T>
void test_gradient(long n, long rows, long columns, bool add) {
    Case c("gradient_block, sum_rows %s of %ld samples, %ld x %ld, add %d", type_name<T>, n, rows,
           columns, add);
    Random random(n + rows + columns);
    Grid<T> phi(n, rows, random), lambda(n, columns, random), sums(1, columns, random);
    Grid<T> g(round_up(rows, 16), columns, random);  // rows as in model.hpp
    kernels<T>().gradient_block(n, phi.data, lambda.data, rows, columns, add, g.data);
    kernels<T>().sum_rows(n, lambda.data, add, sums.data);
    for (long j = 0; j < columns; j++) {
        Wide<T> size = add ? std::fabs(sums.before(0, j)) : 0, total = add ? sums.before(0, j) : 0;
        for (long s = 0; s < n; s++) total += lambda(s, j), size += std::fabs(lambda(s, j));
        c.near(sums(0, j), total, (n + 1) * unit<T> * size, 0, j);
        for (long i = 0; i < rows; i++) {
            total = add ? g.before(i, j) : 0, size = std::fabs(total);
            for (long s = 0; s < n; s++) {
                const Wide<T> term = Wide<T>(phi(s, i)) * lambda(s, j);
                total += term, size += std::fabs(term);
            }
            c.near(g(i, j), total, (n + 2) * unit<T> * size, i, j);
        }
    }
    c.check(g.changed_only(0, round_up(rows, 8), panel<T>) && phi.unchanged() &&
                lambda.unchanged(), "wrote what is not its own");
}

template <class T>
void test_transpose(long rows, long columns) {
    Case c("transpose_block %s %ld x %ld", type_name<T>, rows, columns);
    Random random(rows + columns);
    Grid<T> from(round_up(rows, 16), columns, random), to(round_up(columns, 16), rows, random);
    kernels<T>().transpose_block(from.data, to.data, rows, columns);
    for (long i = 0; i < rows; i++)
        for (long j = 0; j < columns; j++) c.near(to(j, i), from(i, j), 0, i, j);
    c.check(to.changed_only(0, to.rows, whole_vectors<T>(rows)) && from.unchanged(),
            "wrote what is not its own");
}

template <class T>
void test_one_row(long in, long out, bool with_bias) {
    Case c("one_row %s %ld x %ld bias %d", type_name<T>, in, out, with_bias);
    Random random(in + out);
    Grid<T> x(1, in, random);
    // The user's weights, aligned to one number and no more.
    const Exact<T> W(in * out, sizeof(T)), bias(out, sizeof(T));
    for (long i = 0; i < in * out; i++) W[i] = T(random.uniform(-1, 1));
    for (long o = 0; o < out; o++) bias[o] = T(random.uniform(-1, 1));
    const Exact<T> row(round_up(in, panel<T>)), rho(round_up(out, panel<T>)),
        y(round_up(out, panel<T>));
    for (long i = 0; i < row.size(); i++) row[i] = T(i < in ? random.uniform(-1, 1) : 1e9);
    const T* b = with_bias ? bias.get() : nullptr;
    kernels<T>().one_row({in, out, {}}, W.get(), b, row.get(), rho.get());
    kernels<T>().one_row({in, out, {Activation::softsign, 0}}, W.get(), b, row.get(), y.get());
    for (long o = 0; o < out; o++) {
        Wide<T> total = b ? b[o] : 0, size = std::fabs(total);
        for (long i = 0; i < in; i++) {
            const Wide<T> term = Wide<T>(W[o * in + i]) * row[i];
            total += term, size += std::fabs(term);
        }
        c.near(rho[o], total, (in + 2) * unit<T> * size, 0, o);
        const Rounded<T> z(rho[o]);
        expect(c, y[o], z / (Rounded<T>(T(1)) + magnitude(z)), 0, o);
    }
    // A softmax of it is that of the kernel of its own.
    kernels<T>().one_row({in, out, {Activation::softmax, 0}}, W.get(), b, row.get(), y.get());
    kernels<T>().softmax(0, 1, out, {rho.get(), panel<T>});
    c.check(same_bits(y.get(), rho.get(), out), "another softmax");
}

template <class T>
void tests() {
    long i = 0;
    for (const Shape& s : shapes()) {
        test_forward<T>(s, i % 3 != 0, false);
        test_forward<T>(s, i % 3 != 0, true);
        test_backward<T>(s, Slope(i % 5));
        test_tangent<T>(s, i % 3 != 0, i % 2, i % 5 != 0);
        i++;
    }
    for (long n : edges) {
        if (quick && n > 257) break;
        for (bool add : {false, true})
            test_gradient<T>(n, 1 + (n * 5 + 20) % panel<T>, 1 + (n * 7 + 11) % panel<T>, add);
    }
    for (long rows = 1; rows <= panel<T>; rows++)
        for (long columns = 1; columns <= panel<T>; columns += quick ? 5 : 1) {
            test_transpose<T>(rows, columns);
            if (columns % 3 == rows % 3) test_gradient<T>(9, rows, columns, rows % 2);
        }
    for (long in : edges)
        for (long out : quick ? std::vector<long>{1, 33} : few) test_one_row<T>(in, out, in % 2);
}

}  // namespace
}  // namespace chainrule::test

int main() {
    return chainrule::test::run([] {
        chainrule::test::tests<float>();
        chainrule::test::tests<double>();
    });
}

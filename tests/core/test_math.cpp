// The vector functions over the whole range of float and double, against the C library's in
// long double, held to the errors that math.hpp states.
#include <cfloat>
#include <cstdlib>

#include "functions.hpp"

namespace chainrule {
#define CHAINRULE_DECLARE(isa)                                \
    namespace isa {                                           \
    template <class T>                                        \
    void evaluate(int function, const T* x, T* y, long n);    \
    }
CHAINRULE_DECLARE(portable)
#if defined(__x86_64__)
CHAINRULE_DECLARE(avx2)
CHAINRULE_DECLARE(avx512)
#endif
}  // namespace chainrule

namespace chainrule::test {
namespace {

const Function* const functions[] = {&exp,      &log,        &log1p, &tanh, &sigmoid,
                                     &softplus, &normal_cdf, &sin,   &cos};

template <class T>
void evaluate(int function, const T* x, T* y, long n) {
#if defined(__x86_64__)
    const std::string isa = instruction_set();
    if (isa == "avx2") return avx2::evaluate(function, x, y, n);
    if (isa == "avx512") return avx512::evaluate(function, x, y, n);
#endif
    portable::evaluate(function, x, y, n);
}

template <class T, class Bits>
T from_bits(Bits bits) {
    T value;
    static_assert(sizeof value == sizeof bits);
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

// Units in the last place between them; -1 if one is a NaN, an infinity or a zero that the
// other is not, in its sign as well.
template <class T>
double distance(T got, long double exact) {
    const T want = T(exact);
    const bool same_sign = std::signbit(got) == std::signbit(want);
    if (std::isnan(got) || std::isnan(want)) return std::isnan(got) && std::isnan(want) ? 0 : -1;
    if (std::isinf(got) && std::isinf(want)) return same_sign ? 0 : -1;
    if (got == 0 && exact == 0 && !same_sign) return -1;
    const T size = std::min(std::fabs(want), std::numeric_limits<T>::max());
    const T below = std::nextafter(size, T(0));
    const T above = std::nextafter(size, std::numeric_limits<T>::infinity());
    // An infinity in place of the largest number, or the other way round, is one unit off.
    if (std::isinf(got) || std::isinf(want))
        return same_sign && size == std::numeric_limits<T>::max() &&
                       (std::isinf(got) ? std::fabs(exact) : std::fabs((long double)got)) >= below
                   ? 1 : -1;
    const long double ulp =
        std::isinf(above) ? (long double)size - below : (long double)above - size;
    return double(std::fabs(got - exact) / ulp);
}

// The numbers of one function are measured in lots.
template <class T>
class Measure {
  public:
    explicit Measure(int function) : function_(function), x_(lot), y_(lot) {}
    void operator()(T x) {
        x_[n_++] = x;
        if (n_ == lot) flush();
    }
    void flush() {
        const Function& f = *functions[function_];
        evaluate(function_, x_.get(), y_.get(), lot);
        for (long i = 0; i < n_; i++) {
            const double d = distance(y_[i], f.exact(x_[i]));
            if (d >= 0 && d <= worst) continue;
            worst = d < 0 ? HUGE_VAL : d, at = x_[i], got = y_[i];
        }
        n_ = 0;
    }
    double worst = 0;
    T at = 0, got = 0;

  private:
    static constexpr long lot = 4096;
    const int function_;
    const Exact<T> x_, y_;
    long n_ = 0;
};

// Beyond every exponent alike: where the functions turn, overflow, or cancel.
template <class T>
void near_special_points(Measure<T>& measure, Random& random, long n) {
    const double pi = 3.14159265358979323846, epsilon = std::numeric_limits<T>::epsilon();
    const double overflow = std::log((double)std::numeric_limits<T>::max()) + 40;
    const double sin_limit = sizeof(T) == 4 ? 3000 : 1e6;
    for (long i = 0; i < n; i++) {
        measure(T(random.uniform(-overflow, overflow)));
        measure(T(random.uniform(-40, 40)));
        measure(T(random.uniform(-3, 3)));
        measure(T(random.uniform(-1.1, 1.1) * sin_limit));
        measure(T(random.uniform(-50, 50) * sin_limit));
        measure(T(std::floor(random.uniform(-0.7, 0.7) * sin_limit) * pi / 2));
        measure(T(1 + random.uniform(-3000, 3000) * epsilon));
        measure(T(-1 + random.uniform(-3000, 3000) * epsilon));
    }
}

template <class T, class Bits>
void test_function(int function, long stride) {
    const Function& f = *functions[function];
    Case c("%s of %s, stride %ld", f.name, type_name<T>, stride);
    Measure<T> measure(function);
    Random random(function);
    if (sizeof(T) == 4) {  // from stride to stride through all floats there are
        for (uint64_t bits = random.below(stride); bits < 1ull << 32; bits += stride)
            measure(from_bits<T>(Bits(bits)));
    } else {  // as many of every exponent and sign
        const long each = std::max(1l, (1l << 21) / stride);
        for (Bits exponent = 0; exponent < 1u << 12; exponent++)
            for (long i = 0; i < each; i++)
                measure(from_bits<T>(Bits((uint64_t(exponent) << 52) | (random.bits() >> 12))));
    }
    near_special_points<T>(measure, random, (1l << 26) / stride);
    measure.flush();
    if (!(measure.worst <= f.ulps<T>() + 0.005))  // it is stated with two digits
        c.fail("%.3g ulp at %a (%g): %.9g, not %.9Lg", measure.worst, double(measure.at),
               double(measure.at), double(measure.got), f.exact(measure.at));
    if (std::getenv("CHAINRULE_ULPS"))
        std::printf("%-10s %-6s %.3f ulp at %a\n", f.name, type_name<T>, measure.worst,
                    double(measure.at));
}

// As in C, and so in NumPy: a NaN of any payload gives a NaN, zeros keep their signs, and the
// ends of a domain have their infinities.
template <class T, class Bits>
void test_special(int function) {
    const Function& f = *functions[function];
    using L = std::numeric_limits<T>;
    const int mantissa = L::digits - 1;
    std::vector<T> points = {T(0), T(-0.0), L::infinity(), -L::infinity(), T(1), T(-1), L::max(),
                             L::lowest(), L::min(), -L::min(), L::denorm_min(), -L::denorm_min(),
                             std::nextafter(L::min(), T(0)), std::nextafter(T(-1), T(-2)),
                             std::nextafter(T(-1), T(0))};
    const Bits infinite = Bits(2 * L::max_exponent - 1) << mantissa;
    for (Bits payload : {Bits(1), Bits(1) << (mantissa - 1), (Bits(1) << mantissa) - 1, Bits(0x55)})
        for (Bits sign : {Bits(0), Bits(1) << (8 * sizeof(T) - 1)})
            points.push_back(from_bits<T>(Bits(sign | infinite | payload)));
    const long n = round_up(points.size(), 16);
    const Exact<T> x(n), y(n);
    std::copy(points.begin(), points.end(), x.get());
    evaluate(function, x.get(), y.get(), n);
    for (std::size_t i = 0; i < points.size(); i++) {
        Case c("%s of %s %a", f.name, type_name<T>, double(points[i]));
        const double d = distance(y[i], f.exact(points[i]));
        if (d < 0 || d > f.ulps<T>())
            c.fail("%g, not %Lg", double(y[i]), f.exact(points[i]));
    }
}

void tests() {
    const char* given = std::getenv("CHAINRULE_STRIDE");  // 1: every float there is, for hours
    const long stride = given ? std::atol(given) : quick ? 400009 : 4099;
    for (int function = 0; function < int(std::size(functions)); function++) {
        test_special<float, uint32_t>(function);
        test_function<float, uint32_t>(function, stride);
#if LDBL_MANT_DIG >= 64
        test_special<double, uint64_t>(function);
        test_function<double, uint64_t>(function, stride);
#endif
    }
#if LDBL_MANT_DIG < 64
    std::printf("no double: this machine's long double is no wider\n");
#endif
}

}  // namespace
}  // namespace chainrule::test

int main() { return chainrule::test::run(chainrule::test::tests); }

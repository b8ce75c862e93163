// exp, tanh and their relatives on one vector, for float and double alike.
//
// Before each stands its largest error, for float and for double, in units in the last place
// (ulp) of the result, as measured with and without fused multiply-adds on random arguments of
// every exponent. Nothing relies on those: products that must be exact are of factors with few
// enough bits. Infinities, NaN, denormals and -0 behave as in C.
#pragma once

#include <cmath>
#include <limits>

#include "description.hpp"
#include "simd.hpp"

namespace chainrule::CHAINRULE_ISA {

// What differs between float and double. The polynomials are interpolated at Chebyshev nodes;
// the constant term comes first.
template <class T>
struct Format;

template <>
struct Format<float> {
    static constexpr int mantissa = 23, bias = 127;
    // exp(x) is 0 below the first and infinite above the second; normal above the third.
    static constexpr float exp_is_zero = -104, exp_overflows = 89, exp_is_normal = -87;
    // Constants in parts: all but the last with so few bits that their multiples are exact.
    static constexpr float log2[] = {0x1.62ep-1f, 0x1.0bfbe8p-15f};
    static constexpr float half_pi[] = {0x1.92p+0f, 0x1.fb4p-12f, 0x1.444p-24f, 0x1.68c234p-39f};
    static constexpr float sin_limit = 3000;
    // (exp(r) - 1 - r) / r^2 for |r| <= log(2) / 2
    static constexpr float exp[] = {0x1p-1f, 0x1.5554dcp-3f, 0x1.555518p-5f, 0x1.120be2p-7f,
                                    0x1.6d117cp-10f};
    // (2 atanh(s) - 2 s) / s^3 in z = s^2 for s <= 0.1716
    static constexpr float log[] = {0x1.55555cp-1f, 0x1.997c2ap-2f, 0x1.2ee73ep-2f};
    // (sin(r) - r) / r^3 and (cos(r) - 1 + r^2 / 2) / r^4 in z = r^2 for |r| <= pi / 4
    static constexpr float sin[] = {-0x1.555556p-3f, 0x1.11110ep-7f, -0x1.a013a2p-13f,
                                    0x1.6dbc12p-19f};
    static constexpr float cos[] = {0x1.555554p-5f, -0x1.6c12dp-10f, 0x1.9bd696p-16f};
    // (y + cdf_k) Phi(-y) exp(y^2 / 2) in t = cdf_b y / (y + cdf_k) - 1, -1 <= t <= 1, up to
    // cdf_limit, where Phi(-y) has become 0; a multiple of cdf_grid up to there has a square
    // of few bits
    static constexpr float cdf_limit = 14.5f, cdf_k = 3.5f, cdf_grid = 0x1p-8f,
                           cdf_b = 2 * (cdf_limit + cdf_k) / cdf_limit;
    static constexpr float cdf[] = {
        0x1.bc001ap-1f, -0x1.217976p-1f, 0x1.00d8b4p-2f,  -0x1.0f4982p-4f, 0x1.04ff54p-8f,
        0x1.ad785cp-9f, -0x1.2fd268p-11f, -0x1.d60c76p-13f, 0x1.5051fp-15f, 0x1.26cbdap-16f};
};

template <>
struct Format<double> {
    static constexpr int mantissa = 52, bias = 1023;
    static constexpr double exp_is_zero = -746, exp_overflows = 710, exp_is_normal = -708;
    static constexpr double log2[] = {0x1.62e42fefap-1, 0x1.cf79abc9e3b3ap-40};
    static constexpr double half_pi[] = {0x1.921fb544p+0, 0x1.0b4611a6p-34, 0x1.3198a2ep-69,
                                         0x1.b839a252049c1p-104};
    static constexpr double sin_limit = 1e6;
    static constexpr double exp[] = {
        0x1.0000000000001p-1,  0x1.5555555555556p-3,  0x1.5555555553d37p-5,  0x1.11111111109a6p-7,
        0x1.6c16c1789d1d7p-10, 0x1.a01a01a7cebcdp-13, 0x1.a019b8ca26fcfp-16, 0x1.71de0d85293b8p-19,
        0x1.2891d4ffbb0f9p-22, 0x1.af390ba7e6f47p-26};
    static constexpr double log[] = {
        0x1.5555555555558p-1, 0x1.99999999952b2p-2, 0x1.2492492df6947p-2, 0x1.c71c62debf86bp-3,
        0x1.7462b69705382p-3, 0x1.39fe208c33457p-3, 0x1.2b5b5fb2eac92p-3};
    static constexpr double sin[] = {-0x1.5555555555555p-3,  0x1.1111111110ba5p-7,
                                     -0x1.a01a019e80a28p-13, 0x1.71de37929c28bp-19,
                                     -0x1.ae6006eb75111p-26, 0x1.5e09a111e6d69p-33};
    static constexpr double cos[] = {0x1.5555555555555p-5,  -0x1.6c16c16c1696p-10,
                                     0x1.a01a019f4d2b8p-16, -0x1.27e4fa15e29e5p-22,
                                     0x1.1eeb66dd1cdd4p-29, -0x1.907c2a257c22cp-37};
    static constexpr double cdf_limit = 39, cdf_k = 5, cdf_grid = 0x1p-20,
                            cdf_b = 2 * (cdf_limit + cdf_k) / cdf_limit;
    static constexpr double cdf[] = {
        0x1.b410aa4371b2cp-1,  -0x1.6707186ca2d96p-1,  0x1.ef9b0c175bfc6p-2,
        -0x1.1bdf28be218bap-2, 0x1.07842bcdd8732p-3,   -0x1.789c3a742b4d3p-5,
        0x1.6a971e4b6d8e9p-7,  -0x1.c45428ed5104bp-11, -0x1.12e9439364995p-11,
        0x1.953a43d3c7181p-13, 0x1.2c0da608a95f9p-18,  -0x1.2accdf2626dbdp-16,
        0x1.f25264282cae8p-20, 0x1.a94a4341deddfp-20,  -0x1.3cb6b60d9dabap-22,
        -0x1.5874920d6cbdp-23, 0x1.2973034c5a33cp-25,  0x1.4302f0d06e2a1p-26,
        -0x1.cc4b60300485dp-29, -0x1.30958ef960a84p-29, 0x1.c938184e9e4ddp-33,
        0x1.8481b20d55682p-33};
};

template <class T>
constexpr T infinity = std::numeric_limits<T>::infinity();
template <class T>
constexpr T least_normal = std::numeric_limits<T>::min();
template <class T>  // added and subtracted again, it rounds to a whole number
constexpr T rounder = T(1.5) / std::numeric_limits<T>::epsilon();

template <class T, int terms>
CHAINRULE_INLINE Vec<T> polynomial(Vec<T> x, const T (&coefficient)[terms]) {
    Vec<T> p = broadcast(coefficient[terms - 1]);
#pragma GCC unroll 32
    for (int k = terms - 2; k >= 0; k--) p = p * x + coefficient[k];
    return p;
}

// x = n log(2) + r with n whole and |r| <= log(2) / 2; r = high - low, high being exact. The
// last bits of `exponent` are those of n + 2 bias.
template <class T>
struct Reduced {
    Vec<T> n, high, low;
    BitVec<T> exponent;
};
template <class T>
CHAINRULE_INLINE Reduced<T> reduce(Vec<T> x) {
    using F = Format<T>;
    constexpr T shift = rounder<T> + 2 * F::bias;
    const Vec<T> shifted = x * T(1.44269504088896340736) + shift;
    const Vec<T> n = shifted - shift;
    return {n, x - n * F::log2[0], n * F::log2[1], (BitVec<T>)shifted};
}
template <class T>  // exp(r) - 1
CHAINRULE_INLINE Vec<T> expm1_of_rest(const Reduced<T>& x) {
    const Vec<T> r = x.high - x.low;
    return x.high + (r * r * polynomial<T>(r, Format<T>::exp) - x.low);
}
template <class T>  // 2^n, where that is a normal number
CHAINRULE_INLINE Vec<T> power_of_two(const Reduced<T>& x) {
    return (Vec<T>)((x.exponent << Format<T>::mantissa) - (BitVec<T>)broadcast(T(1)));
}
template <class T>  // v 2^n, where neither 2^n nor the result need be a normal number
CHAINRULE_INLINE Vec<T> scale(Vec<T> v, const Reduced<T>& x) {
#if defined(__AVX512F__)
    if constexpr (sizeof(T) == 4) return _mm512_maskz_scalef_ps(-1, v, x.n);
    else return _mm512_maskz_scalef_pd(-1, v, x.n);
#else
    using F = Format<T>;  // in two factors of about half the exponent each
    const BitVec<T> half = (x.exponent << (F::mantissa - 1)) & (BitVec<T>)broadcast(infinity<T>);
    return v * (Vec<T>)half * (Vec<T>)((x.exponent << F::mantissa) - half);
#endif
}

// ulp: 0.96, 0.96
template <class T>
CHAINRULE_INLINE Vec<T> exp(Vec<T> x) {
    const auto reduced = reduce<T>(clamp<T>(x, Format<T>::exp_is_zero, Format<T>::exp_overflows));
    return scale<T>(expm1_of_rest<T>(reduced) + T(1), reduced);
}

// exp(x) as the sum of two terms, for x <= 0, so that exp(x) - 1 can be had from it as well. It
// does not fall below the normal numbers.
template <class T>
struct ExpTerms {
    Vec<T> power, rest;
};
template <class T>
CHAINRULE_INLINE ExpTerms<T> exp_terms(Vec<T> x) {
    const auto reduced = reduce<T>(at_least<T>(Format<T>::exp_is_normal, x));
    const Vec<T> power = power_of_two<T>(reduced);
    return {power, power * expm1_of_rest<T>(reduced)};
}

// ulp: 2.5, 2.5
template <class T>
CHAINRULE_INLINE Vec<T> tanh(Vec<T> x) {
    const auto [power, rest] = exp_terms<T>(magnitude<T>(x) * T(-2));
    // -expm1(-2|x|) / (1 + e), or 1 - 2 e / (1 + e), of which the quotient is then the small part
    const Vec<T> e = rest + power;
    const IntVec<T> large = e < T(0.34);
    const Vec<T> upper = select<T>(large, e + e, (T(1) - power) - rest);
    const Vec<T> quotient = upper / (rest + (power + T(1)));
    return with_sign_of<T>(x, select<T>(large, T(1) - quotient, quotient));
}

// ulp: 1.8, 1.8
template <class T>
CHAINRULE_INLINE Vec<T> sigmoid(Vec<T> x, Vec<T> z) {  // given z = exp(-|x|) as well
    const Vec<T> numerator = select<T>(x < T(0), z, broadcast(T(1)));
    return numerator - numerator * (z / (z + T(1)));  // more accurate than the quotient
}
template <class T>
CHAINRULE_INLINE Vec<T> sigmoid(Vec<T> x) {
    return sigmoid<T>(x, exp<T>(-magnitude<T>(x)));
}

// x = 2^k m with sqrt(1/2) <= m < sqrt(2), for a positive normal x.
template <class T>
struct Split {
    Vec<T> k, m;
    BitVec<T> exponent;  // of 2^k, in its place
};
template <class T>
CHAINRULE_INLINE Split<T> split(Vec<T> x) {
    using F = Format<T>;
    const auto root = (BitVec<T>)broadcast(T(0.70710678118654752));
    const auto exponent_mask = (BitVec<T>)broadcast(infinity<T>);
    const BitVec<T> shifted = (BitVec<T>)x + ((BitVec<T>)broadcast(T(1)) - root);
    // A whole number in the last bits of 2^mantissa converts to T without an instruction for it.
    const T base = T(1) / std::numeric_limits<T>::epsilon();
    const auto k = (Vec<T>)((shifted >> F::mantissa) | (BitVec<T>)broadcast(base));
    return {k - (base + F::bias), (Vec<T>)((shifted & ~exponent_mask) + root),
            shifted & exponent_mask};
}
template <class T>  // k log(2) + log(1 + f), with s = f / (2 + f): log(1 + f) = 2 atanh(s)
CHAINRULE_INLINE Vec<T> log_of_split(Vec<T> k, Vec<T> f) {
    using F = Format<T>;
    const Vec<T> s = f / (f + T(2)), z = s * s, h = f * f * T(0.5);
    const Vec<T> correction = s * (h + z * polynomial<T>(z, F::log));  // f - h + this: log(1 + f)
    return k * F::log2[0] - ((h - (correction + k * F::log2[1])) - f);
}
template <class T>  // y, but for the arguments at and beyond the ends of a logarithm's domain
CHAINRULE_INLINE Vec<T> with_log_limits(Vec<T> x, T start, Vec<T> y) {
    const Vec<T> outside = select<T>(x == start, broadcast(-infinity<T>), broadcast(T(NAN)));
    return select<T>(x > start, select<T>(x == infinity<T>, x, y), outside);
}

// ulp: 0.83, 0.84
template <class T>
CHAINRULE_INLINE Vec<T> log(Vec<T> x) {
    const IntVec<T> denormal = x < least_normal<T>;
    const T up = T(1) / std::numeric_limits<T>::epsilon();
    const auto [k, m, _] = split<T>(select<T>(denormal, x * up, x));
    const Vec<T> shift = zeroed_where_not<T>(denormal, broadcast(T(Format<T>::mantissa)));
    return with_log_limits<T>(x, 0, log_of_split<T>(k - shift, m - T(1)));
}

// ulp: 1.4, 1.4. Of log(1 + x) for -1 < x < infinity. What 1 + x loses by rounding is added to
// its mantissa.
template <class T>
CHAINRULE_INLINE Vec<T> log1p_inside(Vec<T> x) {
    const Vec<T> u = x + T(1), v = u - T(1), lost = (T(1) - (u - v)) + (x - v);
    const auto [k, m, exponent] = split<T>(u);
    const auto bits = (BitVec<T>)broadcast(T(1)) + (BitVec<T>)broadcast(T(2)) - exponent;
    return log_of_split<T>(k, (m - T(1)) + lost * (Vec<T>)bits * T(0.5));  // bits: 2^(1 - k)
}

// ulp: 1.7, 1.7
template <class T>
CHAINRULE_INLINE Vec<T> softplus(Vec<T> x, Vec<T> z) {  // given z = exp(-|x|) as well
    return at_least<T>(T(0), x) + log1p_inside<T>(z);
}
// ulp: 4.0, 4.8
template <class T>
struct Normal {
    Vec<T> cdf, density;  // the latter to a few units of its last place as well
};
template <class T>
CHAINRULE_INLINE Normal<T> normal(Vec<T> x) {
    using F = Format<T>;
    const Vec<T> y = at_most<T>(F::cdf_limit, magnitude<T>(x));
    // y^2 = z^2 + (y - z) (y + z), where z^2 is exact.
    const Vec<T> z = (y + F::cdf_grid * rounder<T>) - F::cdf_grid * rounder<T>;
    auto reduced = reduce<T>(z * z * T(-0.5));
    reduced.low += (y - z) * (y + z) * T(0.5);
    const Vec<T> e = expm1_of_rest<T>(reduced);
    const Vec<T> w = T(1) / (y + F::cdf_k);
    const Vec<T> p = w * polynomial<T>(F::cdf_b * (y * w) - T(1), F::cdf);
    const Vec<T> tail = scale<T>(e * p + p, reduced);
    constexpr T c = T(0.39894228040143267794);  // 1 / sqrt(2 pi)
    return {select<T>(x < T(0), tail, T(1) - tail), scale<T>(e * c + c, reduced)};
}
// The sine of x + quarter_turns pi / 2, for |x| up to sin_limit.
template <class T, int quarter_turns>
CHAINRULE_INLINE Vec<T> sin_of_moderate(Vec<T> x) {
    using F = Format<T>;
    const Vec<T> shifted = x * T(0.63661977236758134308) + rounder<T>, n = shifted - rounder<T>;
    const BitVec<T> quadrant = (BitVec<T>)shifted + quarter_turns;
    const Vec<T> r = (((x - n * F::half_pi[0]) - n * F::half_pi[1]) - n * F::half_pi[2]) -
                     n * F::half_pi[3];
    const Vec<T> z = r * r;
    const Vec<T> sine = r + r * z * polynomial<T>(z, F::sin);
    const Vec<T> cosine = T(1) - (T(0.5) * z - z * z * polynomial<T>(z, F::cos));
    const Vec<T> y = select<T>((IntVec<T>)(quadrant & 1) == 0, sine, cosine);
    return (Vec<T>)((BitVec<T>)y ^ ((quadrant & 2) << (8 * sizeof(T) - 2)));
}
template <class T, class Scalar>  // the other lanes, which are rare, one by one
CHAINRULE_INLINE Vec<T> with_large_arguments(Vec<T> x, Vec<T> y, Scalar f) {
    const IntVec<T> large = magnitude<T>(x) > Format<T>::sin_limit;
    if (largest<T>(select<T>(large, broadcast(T(1)), Vec<T>{})) > 0)
        for (int i = 0; i < lanes<T>; i++)
            if (large[i]) y[i] = f(x[i]);
    return y;
}

// ulp: 2.5, 2.5
template <class T>
CHAINRULE_INLINE Vec<T> sin(Vec<T> x) {
    const Vec<T> y = select<T>(x == T(0), x, sin_of_moderate<T, 0>(x));
    return with_large_arguments<T>(x, y, [](T v) {
        return sizeof(T) == 4 ? __builtin_sinf(v) : __builtin_sin(v);
    });
}

// ulp: 2.5, 2.5
template <class T>
CHAINRULE_INLINE Vec<T> cos(Vec<T> x) {
    return with_large_arguments<T>(x, sin_of_moderate<T, 1>(x), [](T v) {
        return sizeof(T) == 4 ? __builtin_cosf(v) : __builtin_cos(v);
    });
}

}  // namespace chainrule::CHAINRULE_ISA

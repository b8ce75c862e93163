// One vector of numbers, as wide as the instruction set this file is compiled for.
//
// Written with the compiler's vector extensions (GCC and Clang), so that one source serves
// every instruction set; intrinsics only where those extensions have no word for it. A
// comparison gives a vector of integers, all ones where it holds.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

#include "panels.hpp"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
#define CHAINRULE_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define CHAINRULE_VECTOR_BYTES 32
#else
#define CHAINRULE_VECTOR_BYTES 16
#endif

#define CHAINRULE_INLINE inline __attribute__((always_inline))
#define CHAINRULE_PRAGMA(text) _Pragma(#text)
#if defined(__clang__)
#define CHAINRULE_UNROLL(n) CHAINRULE_PRAGMA(unroll n)
#else
#define CHAINRULE_UNROLL(n) CHAINRULE_PRAGMA(GCC unroll n)
#endif

// CHAINRULE_ISA is a namespace of its own for each instruction set, so that the linker never
// takes one's functions for another's.
namespace chainrule::CHAINRULE_ISA {

template <class T, int n = CHAINRULE_VECTOR_BYTES / sizeof(T)>
struct VectorTypes {
    typedef T Float __attribute__((vector_size(n * sizeof(T))));
    using Int = decltype(Float{} < Float{});
    using Unsigned = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
    typedef Unsigned Bits __attribute__((vector_size(n * sizeof(T))));
};
template <class T>
using Vec = typename VectorTypes<T>::Float;
template <class T>
using IntVec = typename VectorTypes<T>::Int;  // what a comparison gives
template <class T>
using BitVec = typename VectorTypes<T>::Bits;  // unsigned, for arithmetic on representations
template <class T>
constexpr int lanes = CHAINRULE_VECTOR_BYTES / sizeof(T);
template <class T>  // the vectors of a panel in which so many columns are left
constexpr int vectors_in(long columns) {
    return int(ceil_div(columns < panel<T> ? columns : panel<T>, lanes<T>));
}

template <class T>
CHAINRULE_INLINE Vec<T> load(const T* p) {  // aligned to the vector
    return *reinterpret_cast<const Vec<T>*>(p);
}
template <class T>
CHAINRULE_INLINE void store(T* p, Vec<T> v) {
    *reinterpret_cast<Vec<T>*>(p) = v;
}
template <class T>
CHAINRULE_INLINE Vec<T> load_unaligned(const T* p) {
    Vec<T> v;
    std::memcpy(&v, p, sizeof v);
    return v;
}
template <class T>
CHAINRULE_INLINE Vec<T> broadcast(T x) {
    return x - Vec<T>{};  // folded away; x + 0 would not be, because of -0
}

template <class T>
CHAINRULE_INLINE Vec<T> select(IntVec<T> condition, Vec<T> yes, Vec<T> no) {
    return condition ? yes : no;
}
template <class T>
CHAINRULE_INLINE IntVec<T> first_lanes(long count) {
    IntVec<T> index;
    for (int i = 0; i < lanes<T>; i++) index[i] = i;
    return index < IntVec<T>{} + static_cast<decltype(index[0] + 0)>(count);
}
template <class T>
CHAINRULE_INLINE Vec<T> zeroed_where_not(IntVec<T> mask, Vec<T> v) {
    return (Vec<T>)((IntVec<T>)v & mask);
}
// The larger and the smaller of x and a bound; a NaN in x stays.
template <class T>
CHAINRULE_INLINE Vec<T> at_least(Vec<T> bound, Vec<T> x) {
    return x < bound ? bound : x;
}
template <class T>
CHAINRULE_INLINE Vec<T> at_most(Vec<T> bound, Vec<T> x) {
    return bound < x ? bound : x;
}
template <class T>
CHAINRULE_INLINE Vec<T> at_least(T bound, Vec<T> x) {
    return at_least<T>(broadcast(bound), x);
}
template <class T>
CHAINRULE_INLINE Vec<T> at_most(T bound, Vec<T> x) {
    return at_most<T>(broadcast(bound), x);
}
template <class T>
CHAINRULE_INLINE Vec<T> clamp(Vec<T> x, T low, T high) {
    return at_most<T>(high, at_least<T>(low, x));
}

template <class T>
CHAINRULE_INLINE Vec<T> magnitude(Vec<T> x) {
    return (Vec<T>)((BitVec<T>)x & ~(BitVec<T>)broadcast(T(-0.0)));
}
template <class T>
CHAINRULE_INLINE Vec<T> with_sign_of(Vec<T> sign, Vec<T> x) {
    const auto top = (BitVec<T>)broadcast(T(-0.0));
    return (Vec<T>)(((BitVec<T>)x & ~top) | ((BitVec<T>)sign & top));
}
template <class T>
CHAINRULE_INLINE Vec<T> sqrt(Vec<T> x) {
    for (int i = 0; i < lanes<T>; i++)  // both compilers make one instruction of it
        x[i] = sizeof(T) == 4 ? __builtin_sqrtf(x[i]) : __builtin_sqrt(x[i]);
    return x;
}

// All lanes folded into one: the upper half onto the lower half, until one is left. The order
// is thereby fixed.
template <class V, class Fold, int... i>
CHAINRULE_INLINE auto fold_halves(V v, Fold fold, std::integer_sequence<int, i...>) {
    constexpr int half = sizeof...(i);
    const auto folded = fold(__builtin_shufflevector(v, v, i...),
                             __builtin_shufflevector(v, v, (i + half)...));
    if constexpr (half == 1) return folded[0];
    else return fold_halves(folded, fold, std::make_integer_sequence<int, half / 2>{});
}
template <class T>
CHAINRULE_INLINE T sum(Vec<T> v) {
    return fold_halves(v, [](auto a, auto b) { return a + b; },
                       std::make_integer_sequence<int, lanes<T> / 2>{});
}
template <class T>  // of numbers; where one is a NaN, the result may or may not be
CHAINRULE_INLINE T largest(Vec<T> v) {
    return fold_halves(v, [](auto a, auto b) { return a < b ? b : a; },
                       std::make_integer_sequence<int, lanes<T> / 2>{});
}

}  // namespace chainrule::CHAINRULE_ISA

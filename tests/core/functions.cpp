// The functions of math.hpp for one instruction set: compiled once for each, as kernels.cpp is.
#include "math.hpp"

namespace chainrule::CHAINRULE_ISA {

template <class T, class Function>
void each(const T* x, T* y, long n, Function function) {
    for (long i = 0; i < n; i += lanes<T>) store<T>(y + i, function(load(x + i)));
}

// Over the whole range, which the core does not need of it.
template <class T>
Vec<T> log1p(Vec<T> x) {
    return select<T>(x == T(0), x, with_log_limits<T>(x, -1, log1p_inside<T>(x)));
}

// In the order of the list in test_math.cpp; n and both arrays are multiples of 64 bytes.
template <class T>
void evaluate(int function, const T* x, T* y, long n) {
    using V = Vec<T>;
    switch (function) {
        case 0: return each(x, y, n, [](V v) { return exp<T>(v); });
        case 1: return each(x, y, n, [](V v) { return log<T>(v); });
        case 2: return each(x, y, n, [](V v) { return log1p<T>(v); });
        case 3: return each(x, y, n, [](V v) { return tanh<T>(v); });
        case 4: return each(x, y, n, [](V v) { return sigmoid<T>(v); });
        case 5: return each(x, y, n, [](V v) { return softplus<T>(v, exp<T>(-magnitude<T>(v))); });
        case 6: return each(x, y, n, [](V v) { return normal<T>(v).cdf; });
        case 7: return each(x, y, n, [](V v) { return sin<T>(v); });
        case 8: return each(x, y, n, [](V v) { return cos<T>(v); });
    }
}
template void evaluate<float>(int, const float*, float*, long);
template void evaluate<double>(int, const double*, double*, long);

}  // namespace chainrule::CHAINRULE_ISA

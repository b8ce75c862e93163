#include "cpu.hpp"

namespace chainrule {

const char* instruction_set() {
#if defined(__x86_64__) || defined(__i386__)
    // The compiler's own test also asks the operating system whether it saves the wide registers.
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
        return "avx512";
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return "avx2";
    return "portable";
#elif defined(__aarch64__)
    return "neon";  // part of every 64-bit ARM
#else
    return "portable";
#endif
}

}  // namespace chainrule

// Which instruction set's kernels run here: decided once, when they are first asked for.
#include <cstdlib>

#include "kernels.hpp"

namespace chainrule {

#define CHAINRULE_DECLARE(isa)                \
    namespace isa {                           \
    const Kernels<float>& kernels_float32();  \
    const Kernels<double>& kernels_float64(); \
    }
#define CHAINRULE_CHOICE(name, isa, supported) \
    {name, supported, isa::kernels_float32, isa::kernels_float64}
CHAINRULE_DECLARE(portable)
#if defined(__x86_64__)
CHAINRULE_DECLARE(avx512)
CHAINRULE_DECLARE(avx2)
#endif

namespace {

struct Choice {
    const char* name;
    bool supported;
    const Kernels<float>& (*float32)();
    const Kernels<double>& (*float64)();
};

Choice choose() {
#if defined(__x86_64__)
    // The compiler's own test also asks the operating system whether it saves the wide registers.
    __builtin_cpu_init();
    const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vl");
#endif
    const Choice choices[] = {
#if defined(__x86_64__)
        CHAINRULE_CHOICE("avx512", avx512, avx512),
        CHAINRULE_CHOICE("avx2", avx2, avx2),
#elif defined(__aarch64__)
        CHAINRULE_CHOICE("neon", portable, true),  // its vectors are part of every 64-bit ARM
#endif
        CHAINRULE_CHOICE("portable", portable, true),
    };
    const char* wanted = std::getenv("CHAINRULE_INSTRUCTION_SET");
    std::string possible;
    for (const Choice& choice : choices) {
        if (!choice.supported) continue;
        if (!wanted || !*wanted || wanted == std::string(choice.name)) return choice;
        possible += (possible.empty() ? "" : ", ") + std::string(choice.name);
    }
    throw std::invalid_argument("CHAINRULE_INSTRUCTION_SET is '" + std::string(wanted) +
                                "', but this machine has kernels for " + possible +
                                ": name one of these, or unset it");
}

const Choice& chosen() {
    static const Choice choice = choose();
    return choice;
}

}  // namespace

template <>
const Kernels<float>& kernels<float>() { return chosen().float32(); }
template <>
const Kernels<double>& kernels<double>() { return chosen().float64(); }

const char* instruction_set() { return chosen().name; }

}  // namespace chainrule

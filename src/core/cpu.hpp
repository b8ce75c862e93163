// Which instruction set the kernels may use on this machine.
#pragma once

namespace chainrule {

// "avx512", "avx2", "neon" or "portable": the widest that this processor and its
// operating system support.
const char* instruction_set();

}  // namespace chainrule

// The only file of the core that knows Python.
#include <nanobind/nanobind.h>

#include "cpu.hpp"

NB_MODULE(_core, module) {
    module.doc() = "The compiled core of chainrule.";
    module.def("instruction_set", &chainrule::instruction_set,
               "The widest instruction set of this machine that the core has kernels for.");
}

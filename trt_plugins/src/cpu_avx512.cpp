// SPDX-License-Identifier: Apache-2.0
#include "cpu_loop.h"

FMMP_DEFINE_LOOPS(Isa::kAvx512)

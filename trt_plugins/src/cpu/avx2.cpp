// SPDX-License-Identifier: Apache-2.0
#include "loop.h"

FMMP_DEFINE_LOOPS(Isa::kAvx2)

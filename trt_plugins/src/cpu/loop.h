// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "projected.h"
#include "sampling.h"

/// Defines the functions that the dispatcher takes, for one instruction set and for each combination of
/// types.
#define FMMP_DEFINE_LOOPS(ISA)                                  \
    namespace fmmp::cpu {                                       \
    template <>                                                 \
    Loops<float, float> loops<ISA, float, float>()              \
    {                                                           \
        return {run_rows<float, float>, run_head<float>};       \
    }                                                           \
    template <>                                                 \
    Loops<Half, float> loops<ISA, Half, float>()                \
    {                                                           \
        return {run_rows<Half, float>, run_head<Half>};         \
    }                                                           \
    template <>                                                 \
    Loops<Half, Half> loops<ISA, Half, Half>()                  \
    {                                                           \
        return {run_rows<Half, Half>, nullptr};                 \
    }                                                           \
    template <>                                                 \
    Loops<BFloat16, float> loops<ISA, BFloat16, float>()        \
    {                                                           \
        return {run_rows<BFloat16, float>, run_head<BFloat16>}; \
    }                                                           \
    }

# SPDX-License-Identifier: Apache-2.0
# fmmp_cpu: the loop of cpu/loop.h, compiled once for every instruction set of this processor family.
include(CheckCXXCompilerFlag)

# The loop over samples becomes vector code only if a comparison may be evaluated early (no trapping mathematics), and if
# the compiler heeds `omp simd`. Neither changes a result.
set(loop_flags -fno-math-errno -fno-trapping-math -fopenmp-simd)
set(avx2_flags -mavx2 -mfma -mf16c)
set(avx512_flags ${avx2_flags} -mavx512f -mavx512bw -mavx512dq -mavx512vl -mprefer-vector-width=512)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND avx512_flags -Wno-uninitialized -Wno-maybe-uninitialized)  # GCC's own header of intrinsics, GCC bug 105593
endif()

string(REPLACE ";" " " flags "${avx512_flags}")
check_cxx_compiler_flag("${flags}" FMMP_HAS_X86_FLAGS)
set_source_files_properties(src/cpu/portable.cpp PROPERTIES COMPILE_OPTIONS "${loop_flags}")
set_source_files_properties(src/cpu/avx2.cpp PROPERTIES COMPILE_OPTIONS "${loop_flags};${avx2_flags}")
set_source_files_properties(src/cpu/avx512.cpp PROPERTIES COMPILE_OPTIONS "${loop_flags};${avx512_flags}")

function(fmmp_add_cpu_library name)
  add_library(${name} STATIC src/cpu/dispatch.cpp src/cpu/portable.cpp)
  if(FMMP_HAS_X86_FLAGS)
    target_sources(${name} PRIVATE src/cpu/avx2.cpp src/cpu/avx512.cpp)
    target_compile_definitions(${name} PRIVATE FMMP_X86_LOOPS)
  endif()
  target_link_libraries(${name} PUBLIC fmmp_core)
  fmmp_warnings(${name})
endfunction()

fmmp_add_cpu_library(fmmp_cpu)
target_compile_options(fmmp_cpu PRIVATE -O3)  # -O2 leaves the loop over samples as it is

# SPDX-License-Identifier: Apache-2.0
# Where ONNX Runtime's and TensorRT's headers lie. Whoever includes this file has the repository's root in FMMP_ROOT.
set(ONNXRUNTIME_INCLUDE_DIR "" CACHE PATH "Folder of onnxruntime_c_api.h; without it, the one that comes with the source")
set(TENSORRT_INCLUDE_DIR "" CACHE PATH "Folder of NvInferRuntime.h; found by itself in the usual places")

# What the user says, and nowhere else; otherwise the header that comes with the source.
function(fmmp_find_onnxruntime_headers result)
  set(said ${ONNXRUNTIME_INCLUDE_DIR} $ENV{ONNXRUNTIME_INCLUDE_DIR})
  if(NOT said)
    set(said "${FMMP_ROOT}/trt_plugins/onnxruntime/include")
  endif()
  unset(found)
  find_path(found onnxruntime_c_api.h NO_CACHE NO_DEFAULT_PATH PATHS ${said}
    PATH_SUFFIXES onnxruntime onnxruntime/core/session)
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# What the user says; otherwise the system, the kernel-lens package of this Python, the folder that `make nvidia` fills.
function(fmmp_find_tensorrt_headers result)
  set(places ${TENSORRT_INCLUDE_DIR} $ENV{TENSORRT_INCLUDE_DIR})
  if(NOT places)
    find_package(Python3 QUIET COMPONENTS Interpreter)
    if(Python3_EXECUTABLE)
      execute_process(
        COMMAND "${Python3_EXECUTABLE}" -c
                "import importlib.util as u; s = u.find_spec('kernel_lens'); print(s.submodule_search_locations[0] if s else '')"
        OUTPUT_VARIABLE package OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
    set(places /usr/include/${CMAKE_LIBRARY_ARCHITECTURE} /usr/include /usr/local/tensorrt/include
               /opt/tensorrt/include)
    if(package)
      list(APPEND places "${package}/include/tensorrt")
    endif()
    list(APPEND places "${FMMP_ROOT}/build/nvidia/headers/kernel_lens/include/tensorrt")
  endif()
  unset(found)
  find_path(found NvInferRuntime.h PATHS ${places} NO_DEFAULT_PATH NO_CACHE)
  set(${result} "${found}" PARENT_SCOPE)
endfunction()

# Major version of the TensorRT whose headers lie in a folder.
function(fmmp_tensorrt_major result headers)
  file(STRINGS "${headers}/NvInferVersion.h" version REGEX "define (NV_TENSORRT_MAJOR|TRT_MAJOR_ENTERPRISE) +[0-9]")
  string(REGEX MATCH "[0-9]+" version "${version}")
  set(${result} "${version}" PARENT_SCOPE)
endfunction()

# SPDX-License-Identifier: Apache-2.0
"""Which NVIDIA GPU is here, asked of its driver alone."""

import ctypes
import sys

DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"
MAJOR, MINOR = 75, 76  # CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR of cuda.h


def architecture(device: int = 0) -> str:
    """Compute capability of a GPU, such as "sm86".

    Raises:
        OSError: there is no driver or no such GPU; says which.
    """
    try:
        driver = ctypes.CDLL(DRIVER)
    except OSError as error:
        raise OSError(f"no NVIDIA driver is installed ({DRIVER} does not load)") from error
    if status := driver.cuInit(0):
        raise OSError(f"the NVIDIA driver finds no GPU that it can use (cuInit returns {status})")
    handle, numbers = ctypes.c_int(), []
    if status := driver.cuDeviceGet(ctypes.byref(handle), device):
        raise OSError(f"there is no NVIDIA GPU {device} (cuDeviceGet returns {status})")
    for attribute in (MAJOR, MINOR):
        number = ctypes.c_int()
        if status := driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, handle):
            raise OSError(f"the NVIDIA driver does not describe GPU {device} (status {status})")
        numbers.append(number.value)
    return f"sm{numbers[0]}{numbers[1]}"

# SPDX-License-Identifier: Apache-2.0
"""fmmp.h through ctypes: no C++ is needed to call it."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import (
    POINTER,
    Structure,
    byref,
    c_char_p,
    c_double,
    c_int,
    c_int32,
    c_int64,
    c_size_t,
    c_uint8,
    c_void_p,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fmmp_runtime import Support

NAMES = (
    "OK",
    "INVALID_ARGUMENT",
    "FILE_ERROR",
    "BUNDLE_ERROR",
    "STATE_ERROR",
    "BACKEND_ERROR",
    "OUT_OF_MEMORY",
)


class FmmpError(Exception):
    """A status that is not FMMP_OK, by its name, and the message."""

    def __init__(self, status: str, message: str) -> None:
        super().__init__(message)
        self.status = status


class CImage(Structure):
    _fields_ = (
        ("pixels", c_void_p),
        ("width", c_int32),
        ("height", c_int32),
        ("row_bytes", c_int64),
        ("channels", c_int),
    )


class CSupport(Structure):
    _fields_ = (
        ("image", CImage),
        ("keypoints_px", c_void_p),
        ("visible", c_void_p),
        ("num_keypoints", c_size_t),
        ("links", c_void_p),
        ("num_links", c_size_t),
        ("box", c_void_p),
    )


class CKeypoint(Structure):
    _fields_ = (("x", c_double), ("y", c_double), ("score", c_double), ("known", c_int32))


class COptions(Structure):
    _fields_ = (
        ("backend", c_char_p),
        ("threads", c_int32),
        ("onnxruntime_library", c_char_p),
        ("tensorrt_library", c_char_p),
        ("operator_folder", c_char_p),
    )


def image(pixels: NDArray[np.uint8], channels: int = 0) -> CImage:
    height, width = pixels.shape[:2]
    return CImage(pixels.ctypes.data, width, height, pixels.strides[0], channels)


@dataclass
class Found:
    """What fmmp_locate gives."""

    keypoints: NDArray[np.float64]  # (K_c, 2)
    score: NDArray[np.float64]
    known: list[bool]


class State:
    def __init__(self, api: Api, handle: c_void_p) -> None:
        self.api, self.handle = api, handle

    def __del__(self) -> None:
        self.api.library.fmmp_free_state(self.handle)

    def save(self, path: Path) -> None:
        self.api.call("fmmp_save_state", self.handle, str(path).encode())

    def links(self) -> list[list[int]]:
        count = c_size_t()
        pairs = self.api.library.fmmp_links(self.handle, byref(count))
        return [[pairs[2 * n], pairs[2 * n + 1]] for n in range(count.value)]


class Estimator:
    def __init__(self, api: Api, handle: c_void_p) -> None:
        self.api, self.handle = api, handle

    def __del__(self) -> None:
        self.api.library.fmmp_close(self.handle)

    @property
    def description(self) -> str:
        return str(self.api.library.fmmp_description(self.handle).decode())

    def remember(self, supports: Sequence[Support]) -> State:
        keep: list[Any] = []  # arrays that the structures point to

        def pointer(values: Any, dtype: type) -> int | None:  # noqa: ANN401  # ArrayLike or None
            if values is None:
                return None
            # numpy gives an empty array an address, as fmmp.h wants it for "no links"
            keep.append(np.ascontiguousarray(values, dtype))
            return int(keep[-1].ctypes.data)

        given = (CSupport * max(len(supports), 1))()
        for one, support in zip(given, supports, strict=False):
            one.image = image(support.image)
            one.keypoints_px = pointer(support.keypoints, np.float64)
            one.num_keypoints = len(np.asarray(support.keypoints))
            one.visible = pointer(support.visible, np.uint8)
            one.links = pointer(support.links, np.int64)
            one.num_links = 0 if support.links is None else len(np.asarray(support.links))
            one.box = pointer(support.box, np.float64)
        handle = c_void_p()
        self.api.call("fmmp_remember", self.handle, given, c_size_t(len(supports)), byref(handle))
        return State(self.api, handle)

    def load_state(self, path: Path) -> State:
        handle = c_void_p()
        self.api.call("fmmp_load_state", self.handle, str(path).encode(), byref(handle))
        return State(self.api, handle)

    def locate(
        self,
        frame: NDArray[np.uint8] | CImage,
        state: State,
        box: Sequence[float] | None = None,
        capacity: int | None = None,
    ) -> Found:
        count = self.api.library.fmmp_num_keypoints(state.handle)
        keypoints = (CKeypoint * count)()
        look = frame if isinstance(frame, CImage) else image(frame)
        place = None if box is None else (c_double * 4)(*box)
        room = c_size_t(count if capacity is None else capacity)
        self.api.call("fmmp_locate", self.handle, byref(look), state.handle, place, keypoints, room)
        return Found(
            np.array([[k.x, k.y] for k in keypoints]),
            np.array([k.score for k in keypoints]),
            [bool(k.known) for k in keypoints],
        )


class Api:
    """The library."""

    def __init__(self, library: Path, variables: dict[str, str]) -> None:
        self.library = ctypes.CDLL(str(library))
        self.onnxruntime = variables["FMMP_ONNXRUNTIME_LIBRARY"]
        self.operators = variables["FMMP_LIBRARY_DIR"]
        self.library.fmmp_last_error.restype = c_char_p
        self.library.fmmp_version.restype = c_char_p
        self.library.fmmp_description.restype = c_char_p
        self.library.fmmp_num_keypoints.restype = c_size_t
        self.library.fmmp_links.restype = POINTER(c_int64)

    def call(self, name: str, *arguments: Any) -> None:  # noqa: ANN401  # ctypes
        """Call a function that gives a status."""
        if status := getattr(self.library, name)(*arguments):
            raise FmmpError(NAMES[status], self.library.fmmp_last_error().decode())

    def open(self, bundle: Path, **options: Any) -> Estimator:  # noqa: ANN401  # fields of fmmp_options
        chosen: dict[str, Any] = {
            "threads": 1,
            "onnxruntime_library": self.onnxruntime,
            "operator_folder": self.operators,
        } | options
        encoded = {key: value.encode() if isinstance(value, str) else value for key, value in chosen.items()}
        handle = c_void_p()
        self.call("fmmp_open", str(bundle).encode(), byref(COptions(**encoded)), byref(handle))
        return Estimator(self, handle)


def rows(pixels: NDArray[np.uint8], extra: int) -> NDArray[np.uint8]:
    """The same pixels in a wider array, so that rows do not follow each other."""
    height, width = pixels.shape[:2]
    wide = np.full((height, width + extra, 3), 255, np.uint8)
    wide[:, :width] = pixels
    return wide[:, :width]


__all__ = ["Api", "CImage", "Estimator", "FmmpError", "Found", "State", "c_uint8", "image", "rows"]

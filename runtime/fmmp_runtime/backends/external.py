# SPDX-License-Identifier: Apache-2.0
"""The weights of an ONNX graph that lie in another file, so that a session gets those that were checked.

Left to itself ONNX Runtime maps the file: who copies another one over it changes the answers of a running
program, or ends it with SIGBUS. So the graph is read as far as its list of weights: a few fields of
ModelProto, GraphProto and TensorProto (ONNX's onnx.proto) in the wire format of Protocol Buffers.
"""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

_GRAPH = 7  # fields of ModelProto
_NODE, _INITIALIZER, _OUTPUT = 1, 5, 12  # of GraphProto
_VALUE_NAME = 1  # of ValueInfoProto
_INPUT = 1  # of NodeProto
_DIMS, _DATA_TYPE, _NAME, _EXTERNAL_DATA, _DATA_LOCATION = 1, 2, 8, 13, 14  # of TensorProto
_KEY, _VALUE = 1, 2  # of StringStringEntryProto
_EXTERNAL = 1  # of TensorProto.DataLocation
_DTYPES = {1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64"}
_DTYPES |= {9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64"}
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


def external_tensors(graph: bytes, weights: bytes) -> dict[str, NDArray[Any]]:
    """The weights that a graph's nodes read or that it gives as they are, by name, as views of `weights`.

    Args:
        graph: content of an ONNX file, all of whose weights outside lie in one file.
        weights: content of that file.

    Raises:
        ValueError: it is no ONNX file, or a weight does not lie in the file.
    """
    found = {}
    try:
        [content] = _messages(memoryview(graph), _GRAPH)
        used = {bytes(name) for node in _messages(content, _NODE) for name in _messages(node, _INPUT)}
        used |= {bytes(name) for out in _messages(content, _OUTPUT) for name in _messages(out, _VALUE_NAME)}
        for tensor in _messages(content, _INITIALIZER):
            fields = list(_fields(tensor))
            if (_DATA_LOCATION, _EXTERNAL) in fields:
                name, array = _tensor(fields, weights)
                if name.encode() in used:  # ONNX Runtime has thrown away the others
                    found[name] = array
    except (IndexError, KeyError, TypeError) as error:
        raise ValueError(f"not an ONNX graph with weights in one file: {error!r}") from error
    return found


Field = tuple[int, Any]  # number; an int, or the bytes


def _tensor(fields: list[Field], weights: bytes) -> tuple[str, NDArray[Any]]:
    """Name and content of one TensorProto."""
    [name] = [str(value, "utf-8") for number, value in fields if number == _NAME]
    [kind] = [value for number, value in fields if number == _DATA_TYPE]
    shape: list[int] = []
    for number, value in fields:
        if number == _DIMS:
            shape += [value] if isinstance(value, int) else _varints(value)
    entries = [dict(_fields(value)) for number, value in fields if number == _EXTERNAL_DATA]
    place = {str(entry[_KEY], "utf-8"): str(entry[_VALUE], "utf-8") for entry in entries}
    dtype = np.dtype(_DTYPES[kind])
    count, start = math.prod(shape), int(place.get("offset", "0"))
    if not 0 <= start <= start + count * dtype.itemsize <= len(weights):
        raise ValueError(f"{name} lies outside the weights")
    return name, np.frombuffer(weights, dtype, count, start).reshape(shape)


def _messages(data: memoryview, wanted: int) -> Iterator[memoryview]:
    return (value for number, value in _fields(data) if number == wanted)


def _fields(data: memoryview) -> Iterator[Field]:
    """Fields of a message, in order."""
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        wire = tag & 7
        if wire == _VARINT:
            value, place = _varint(data, place)
            yield tag >> 3, value
            continue
        if wire == _BYTES:
            length, place = _varint(data, place)
        else:
            length = {_FIXED64: 8, _FIXED32: 4}[wire]
        if place + length > len(data):
            raise IndexError("it is cut off")
        yield tag >> 3, data[place : place + length]
        place += length


def _varint(data: memoryview, place: int) -> tuple[int, int]:
    """A number of 7 bits a byte, the lowest first; and where it ends."""
    number = shift = 0
    while True:
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, place
        shift += 7
        if shift > 63:
            raise IndexError("a number of more than 64 bits")


def _varints(data: memoryview) -> list[int]:
    numbers, place = [], 0
    while place < len(data):
        number, place = _varint(data, place)
        numbers.append(number)
    return numbers

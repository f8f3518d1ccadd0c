# SPDX-License-Identifier: Apache-2.0
"""Read the annotation of one image, whichever tool wrote it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from fmmp_runtime.annotation.coco import check_lists, read_coco
from fmmp_runtime.annotation.content import parse_json, read_text
from fmmp_runtime.annotation.own import read_own
from fmmp_runtime.annotation.record import Annotation, Request
from fmmp_runtime.annotation.size import fit
from fmmp_runtime.annotation.tools import JSON_TOOLS, name_tool, text_reader
from fmmp_runtime.media.image import ImageError, image_size
from fmmp_runtime.pose import AnnotationError

__all__ = ["Annotation", "read_annotation"]


def read_annotation(
    path: Path | str, image: Path | str | None = None, *, links_from: int | None = None
) -> Annotation:
    """Read the annotation of one image: our own JSON, COCO, MP-100, or what another tool wrote.

    Args:
        path: the file; `file.json#123` picks the annotation with the id 123 where there are several.
        image: the image whose annotation is wanted, found by its file name. Where it is there, its size is
            compared with what the file declares.
        links_from: 0 or 1, the number of the first keypoint in the links; None: as the file says.

    Returns:
        The annotation; its `notes` tell what was read otherwise than it stands there.

    Raises:
        OSError: no such file.
        AnnotationError: not a kind of file that is read here, something wrong or contradictory in it, or not
            exactly one annotation that answers.
    """
    file, wanted = _split(str(path))
    picture = Path(image) if image is not None else None
    request = Request(image=picture, wanted=wanted, links_from=links_from, size_hw=_size(picture))
    text, notes = read_text(file)
    try:
        annotation = _read(text, request, file)
        annotation = fit(annotation, request.size_hw, picture.name if picture is not None else "the image")
    except AnnotationError as error:
        if str(file) in str(error):
            raise
        raise type(error)(f"{file}: {error}") from error
    except OverflowError as error:
        raise AnnotationError(f"{file}: a number in it is too large") from error
    return replace(annotation, notes=(*notes, *annotation.notes))


def _read(text: str, request: Request, file: Path) -> Annotation:
    kind = "an annotation file"
    try:
        read = text_reader(text, file.suffix.lower())
        if read is not None:
            return read(text, request)
        content = parse_json(text, str(file))
        if isinstance(content, dict) and "annotations" in content and "images" in content:
            kind = "a COCO file"
            check_lists(content, file)
            return read_coco(content, request, file.name)
        for signs, reader, kind in JSON_TOOLS:  # noqa: B007  # the kind is for the message
            if signs(content):
                return reader(content, request)
        return _own(content, request, file)
    except AnnotationError:
        raise
    except KeyError as error:
        raise AnnotationError(f"{file} is not {kind}: an entry of it lacks the key {error}") from error
    except (TypeError, IndexError, AttributeError, ValueError) as error:
        raise AnnotationError(f"{file} is not {kind}: {type(error).__name__} {error}") from error


def _own(content: Any, request: Request, file: Path) -> Annotation:  # noqa: ANN401  # whatever the JSON holds
    tool = name_tool(content)
    if tool:
        raise AnnotationError(f"{file} looks like a file of {tool}")
    if not isinstance(content, dict):
        raise AnnotationError(
            f"{file} must hold a JSON object with the key 'keypoints', got {type(content).__name__}"
        )
    if request.wanted:
        raise AnnotationError(
            f"an annotation id (#{request.wanted}) belongs to a COCO file, and this is none"
        )
    return read_own(content, request)


def _split(path: str) -> tuple[Path, str]:
    """The file, and the id behind its name; a # may be part of either name."""
    file, sign, wanted = path.rpartition("#")
    return (Path(file), wanted) if sign and not Path(path).exists() else (Path(path), "")


def _size(image: Path | None) -> tuple[int, int] | None:
    """Size of the image; None where it is not there, or no picture: whoever reads it says so."""
    if image is None or not image.is_file():
        return None
    try:
        return image_size(image, most_pixels=1 << 50)  # its header alone is read
    except (OSError, ImageError):
        return None

# SPDX-License-Identifier: Apache-2.0
"""The README's film of the studio, from frames that runtime/studio/scripts/film.mjs took of the page itself.

Run it as `python -m docs.pictures.film FRAMES` from the top of the repository. The photographs are
scikit-image's motorcycle from two places (CC0).
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from fmmp_runtime.media.image import Image, read_image

WIDTH = 880  # pixels
STEP_MS, LAST_MS = 700, 2500
TARGET = Path(__file__).parent / "studio.webp"


def main(frames: Path) -> None:
    """Write the film.

    Raises:
        OSError: there are no frames, or it can't be written.
    """
    files = sorted(frames.glob("*.png"))
    if not files:
        raise FileNotFoundError(f"no frames (*.png) in {frames}: scripts/film.mjs takes them")
    film = cv2.Animation()
    film.frames = [_small(read_image(file)[..., ::-1]) for file in files]
    film.durations = [STEP_MS] * (len(files) - 1) + [LAST_MS]
    if not cv2.imwriteanimation(str(TARGET), film, [cv2.IMWRITE_WEBP_QUALITY, 70]):
        raise OSError(f"{TARGET} can't be written")
    print(f"{TARGET}: {len(files)} frames, {TARGET.stat().st_size >> 10} kB")


def _small(picture: Image) -> Image:
    height = round(picture.shape[0] * WIDTH / picture.shape[1])
    return np.asarray(cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA), np.uint8)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

# SPDX-License-Identifier: Apache-2.0
"""What a family's builder works with: the figure in the making, its textures and its dice."""

from __future__ import annotations

import numpy as np

from fmmp_train.synthetic.bank import TextureBank
from fmmp_train.synthetic.figure import Figure
from fmmp_train.synthetic.textures import NUM_MATERIALS, Array, Texture, natural_colour


class Draft:
    """A figure in the making."""

    def __init__(self, rng: np.random.Generator, bank: TextureBank) -> None:
        self.rng, self.bank = rng, bank
        self.figure = Figure()
        self.textures: list[Texture] = []
        # How much instances of the category differ in colour: little, some, or wholly.
        self.freedom = float(rng.choice([0.0, 0.4, 1.0], p=[0.2, 0.4, 0.4]))
        self.main_colour = natural_colour(rng)

    def u(self, low: float, high: float) -> float:
        """A uniform draw."""
        return float(self.rng.uniform(low, high))

    def chance(self, probability: float) -> bool:
        """True with this probability."""
        return bool(self.rng.random() < probability)

    def texture(self, colour: Array | None = None) -> int:
        """A new texture around an RGB colour, by default often near the figure's own."""
        if colour is None:
            colour = self.main_colour if self.chance(0.6) else natural_colour(self.rng)
            colour = np.clip(colour * self.u(0.7, 1.3), 5, 250)
        self.textures.append(self.bank.draw_texture(self.rng, colour, self.freedom))
        return len(self.textures) - 1

    def skin(self, colour: Array | None = None) -> int:
        """A texture of one material without a pattern."""
        base = self.main_colour if colour is None else colour
        shades = base * np.array([[1 - self.u(0.03, 0.25)], [1.0], [1 + self.u(0.03, 0.15)]])
        field = int(self.rng.integers(NUM_MATERIALS))
        self.textures.append(Texture(field, np.clip(shades, 3, 252), 0.0, self.freedom))
        return len(self.textures) - 1

    def plain(self, colour: Array | tuple[float, float, float]) -> int:
        """A texture that is one colour in all instances: eyes, noses, tyres."""
        base = np.asarray(colour, float)
        self.textures.append(Texture(0, np.clip(np.stack([base * 0.8, base * 1.1 + 6]), 2, 253), 0.0, 0.0))
        return len(self.textures) - 1

# SPDX-License-Identifier: Apache-2.0
"""What every estimator offers: all that export, evaluation, calibration and figures know of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import Field
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from fmmp_runtime.bundle.specs import Answer
from fmmp_runtime.pose import InputConfig, support_inputs
from fmmp_train.model.confidence import Confidence
from fmmp_train.model.images import normalize


class Config(Protocol):
    """Settings of an estimator: a frozen dataclass, saved with its weights."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    @property
    def inputs(self) -> InputConfig:
        """What it reads: size of the crops, K, padding at deployment, the form of the links."""
        ...

    def to_json(self) -> str:
        """One line of JSON with every field."""
        ...


class Located(NamedTuple):
    """An answer. An estimator that gives heat maps decodes them; one without layers has L = 1."""

    points: Tensor  # (L, B, K, 2) in [0, 1] of the query crop; the last layer is the answer
    score: Tensor  # (B, K) in [0, 1], `Estimator.confidence` of the evidence
    evidence: Tensor  # (B, K, E), whatever may say how far a point can be trusted
    presence: Tensor | None = None  # (B,) in [0, 1]: the object is there and framed; None: it doesn't tell
    presence_evidence: Tensor | None = None  # (B, E) that it is made of


class Estimator(nn.Module):
    """Locate the keypoints of any category in a query, given annotated supports, in two halves.

    A subclass is made of its settings alone, sets `config` and `confidence`, and has `support_state` and
    `locate`. The two are exported as they stand: static shapes, nothing decided by the values of a tensor.
    """

    config: Config
    confidence: Confidence
    host_step: ClassVar[str | None] = None  # what of `support_state` no graph can do; then there is no export
    score_is: ClassVar[str] = "agreement of the last layers"  # what the score is made of
    answer: ClassVar[Answer] = "points"  # how it comes to its points

    def support_state(self, support: Tensor, *annotation: Any, **named: Any) -> Any:  # noqa: ANN401
        """Compute once what every query of these supports needs.

        Args:
            support: (B, S, 3, H, W) normalised float32.
            *annotation: tensors as `config.inputs.names` orders them, batched, see `stack_inputs`: keypoints
                (B, S, K, 2) in [0, 1], visible (B, S, K) bool, and reference_index (B, S, K, M) int64 or
                adjacency (B, S, K, K) bool where the estimator reads links.
            **named: or the same by name.

        Returns:
            A tensor, or a NamedTuple or tuple of such, deep as you like; None stands for what isn't there.
        """
        raise NotImplementedError

    def locate(self, query: Tensor, state: Any) -> Located:  # noqa: ANN401
        """Find the keypoints of `state` (of B supports) in query images (B, 3, H, W), normalised float32."""
        raise NotImplementedError

    def select(self, state: Any, rows: Tensor) -> Any:  # noqa: ANN401
        """The state of these supports of a batch, (B',) int64; one may be there many times."""
        return take(state, rows)

    def inputs_for(self, count: int) -> InputConfig:
        """What to read of a category of `count` keypoints; an estimator may need fewer slots for fewer."""
        return self.config.inputs

    def predict(
        self,
        query: Tensor,
        support: Tensor,
        keypoints: ArrayLike | Tensor,
        visible: ArrayLike | Tensor,
        links: Sequence[ArrayLike],
    ) -> Tensor:
        """Locate the keypoints of categories as they are annotated; pads and derives the structure itself.

        Args:
            query: (B, 3, H, W) normalised float32.
            support: (B, S, 3, H, W), likewise.
            keypoints: (B, S, K_c, 2), x and y in [0, 1] of the support crops.
            visible: (B, S, K_c) bool.
            links: of each of the B categories, (E, 2) indices below K_c.

        Returns:
            (L, B, K_c, 2) in [0, 1] of the query crop; the last layer is the answer.

        Raises:
            KeypointError, LinkError: more than K keypoints, or links that don't belong to them.
        """
        points, shown = torch.as_tensor(keypoints).cpu().numpy(), torch.as_tensor(visible).cpu().numpy()
        inputs = self.inputs_for(points.shape[2])
        rows = [
            support_inputs(list(zip(*shots, strict=True)), edges, inputs)
            for *shots, edges in zip(points, shown, links, strict=True)
        ]
        annotation = [
            torch.from_numpy(np.stack([row[name] for row in rows])).to(query.device) for name in inputs.names
        ]
        return self.locate(query, self.support_state(support, *annotation)).points[:, :, : points.shape[2]]


@torch.inference_mode()
def locate_crops(
    estimator: Estimator, crops: Mapping[str, NDArray[Any]], first: NDArray[np.int64] | None = None
) -> Located:
    """Answer a batch as the exported graphs take it, on the estimator's device.

    Args:
        estimator: in eval mode.
        crops: query (B, H, W, 3) and support (B, S, H, W, 3), uint8 RGB, and `config.inputs.names`.
        first: (B,) row of the first pair with the same supports, whose state serves all; None: all differ.
    """
    device = next(estimator.parameters()).device
    tensors = {name: torch.from_numpy(array).to(device) for name, array in crops.items()}
    rows, own = np.unique(np.arange(len(crops["query"])) if first is None else first, return_inverse=True)
    chosen = torch.from_numpy(rows).to(device)
    annotation = (tensors[name][chosen] for name in estimator.config.inputs.names)
    state = estimator.support_state(normalize(tensors["support"][chosen]), *annotation)
    if len(rows) < len(own):
        state = estimator.select(state, torch.from_numpy(own).to(device))
    return estimator.locate(normalize(tensors["query"]), state)


def take(state: Any, rows: Tensor) -> Any:  # noqa: ANN401  # a tensor, None, or a tuple of such
    """Keep of every tensor in `state` these rows of its first axis."""
    if state is None or isinstance(state, Tensor):
        return None if state is None else state[rows]
    items = [take(item, rows) for item in state]
    return type(state)(*items) if hasattr(state, "_fields") else tuple(items)

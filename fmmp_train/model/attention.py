# SPDX-License-Identifier: Apache-2.0
"""Multi-head attention as all of the family's networks have it, and the mask of hidden keypoints."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HIDDEN = -1e4  # added to the logit of a hidden key: its weight is 0 in float32 and in half, and never NaN


class Attention(nn.Module):
    """Queries, keys and values of any width, projected to `inner` channels in `num_heads` heads."""

    def __init__(
        self,
        inner: int,
        num_heads: int,
        *,
        widths: tuple[int, int, int] | None = None,
        output: int | None = None,
        bias: bool = True,
        output_bias: bool | None = None,
    ) -> None:
        """`widths` are those of query, key and value, `output` of the result; all are `inner` by default."""
        super().__init__()
        self.num_heads = num_heads
        query, key, value = widths or (inner, inner, inner)
        self.query = nn.Linear(query, inner, bias=bias)
        self.key = nn.Linear(key, inner, bias=bias)
        self.value = nn.Linear(value, inner, bias=bias)
        self.output = nn.Linear(inner, output or inner, bias=bias if output_bias is None else output_bias)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, added: Tensor | None = None) -> Tensor:
        """(B, Q, C), (B, N, C'), (B, N, C'') -> (B, Q, C_out).

        `added` (B or 1, M or 1, Q or 1, N) is added to the logits, as `hide` makes it.
        """
        q, k, v = (
            projected.view(*projected.shape[:2], self.num_heads, -1).transpose(1, 2)
            for projected in (self.query(query), self.key(key), self.value(value))
        )
        if added is not None:
            added = added.to(query.dtype).expand(len(query), -1, query.shape[1], -1)
        attended = F.scaled_dot_product_attention(q, k, v, attn_mask=added)
        return self.output(attended.transpose(1, 2).flatten(2))


def hide(visible: Tensor) -> Tensor:
    """What keeps keypoints from attending to hidden ones: `visible` (..., N) bool -> (..., 1, 1, N).

    Where no key is visible all count alike, so that the output stays finite.
    """
    return torch.where(visible, 0.0, HIDDEN)[..., None, None, :]

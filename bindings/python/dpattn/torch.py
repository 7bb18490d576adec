"""Private context inside a torch model. Importing this module imports torch."""

from __future__ import annotations

import math
from typing import Any, Optional, Tuple

import torch
from torch import Tensor, nn

from ._attention import scaled_dot_product_attention
from ._errors import InvalidArgumentError
from ._release import Release

__all__ = ["PrivateContext", "exact_attention"]

# Keys that one step of exact_attention looks at: bounds its memory, whatever the number of keys.
_BLOCK = 1024


class PrivateContext(nn.Module):
    """Attention over a private context, or over it and public keys and values together.

    Holds one release. The release takes part in `state_dict`, as one uint8 tensor, so that
    `torch.save` of a model keeps its private context and `load_state_dict` brings it back; it holds
    no parameter and stays in CPU memory.

    Parameters
    ----------
    release : Release, optional
        None: to be filled by `load_state_dict`.
    """

    def __init__(self, release: Optional[Release] = None) -> None:
        super().__init__()
        if release is not None and not isinstance(release, Release):
            raise InvalidArgumentError(f"release is a {type(release).__name__}; it must be a dpattn.Release")
        self.release = release

    def forward(
        self,
        query: Tensor,
        key: Optional[Tensor] = None,
        value: Optional[Tensor] = None,
        attn_mask: Optional[Tensor] = None,
        is_causal: bool = False,
        scale: Optional[float] = None,
        enable_gqa: bool = False,
        return_lse: bool = False,
    ) -> Any:
        """Attend to the private context and to key and value, as if they were one set of keys.

        Parameters
        ----------
        query : Tensor
            (..., query_heads, m, key_dim) in CPU memory. It must not require a gradient, since none
            flows through a release: use `torch.no_grad()` or `detach`. Key and value may: their
            gradients are right.
        key, value : Tensor, optional
            Public: (..., heads, n, key_dim) and (..., heads, n, value_dim). Without them: the
            private context alone.
        attn_mask : Tensor, optional
            For the public keys, broadcast to (..., query_heads, m, n): bool (True: attend) or added
            to the logits.
        is_causal : bool
            Query i sees the public keys 0..i. Every query sees the private context.
        scale : float, optional
            As in torch: None means 1 / sqrt(key_dim). It must be the scale that the release was
            made with.
        enable_gqa : bool
            As in torch, for the release's heads and for those of key and value.
        return_lse : bool
            Also return the natural log of the joint denominator, float64.

        Returns
        -------
        Tensor or tuple
            (..., query_heads, m, value_dim) of the query's type; or a tuple of it and the lse.

        Notes
        -----
        Queries longer than the release's `query_bound` are scaled to it for the private context
        only; a release of mechanism "codebook" has none, and takes queries of any length.
        """
        if self.release is None:
            raise InvalidArgumentError("this PrivateContext holds no release yet; give it one, or load_state_dict")
        if (key is None) != (value is None):
            raise InvalidArgumentError("key and value go together; give both or neither")
        if key is None and (attn_mask is not None or is_causal):
            raise InvalidArgumentError("attn_mask and is_causal are for public keys, and there is no key")
        out, lse = scaled_dot_product_attention(
            query,
            self.release,
            scale=scale,
            enable_gqa=enable_gqa,
            out_dtype=_wide(query.dtype),
            return_lse=True,
        )
        if key is not None and value is not None:
            public = exact_attention(query, key, value, attn_mask, is_causal, scale, enable_gqa)
            out, lse = _merge((out, lse), public)
        out = out.to(query.dtype)
        return (out, lse) if return_lse else out

    def get_extra_state(self) -> Tensor:
        """The release file, as a tensor of bytes; empty without a release."""
        data = b"" if self.release is None else self.release.to_bytes()
        return torch.tensor(bytearray(data), dtype=torch.uint8)

    def set_extra_state(self, state: Tensor) -> None:
        """Load the release that `get_extra_state` gave; CorruptError if it was altered."""
        self.release = Release.from_bytes(state.cpu().numpy()) if state.numel() else None

    def extra_repr(self) -> str:
        """The release's own words."""
        return repr(self.release)


def exact_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Optional[Tensor] = None,
    is_causal: bool = False,
    scale: Optional[float] = None,
    enable_gqa: bool = False,
) -> Tuple[Tensor, Tensor]:
    """``torch.nn.functional.scaled_dot_product_attention``, and the denominator that it hides.

    Takes what that function takes, goes over the keys in blocks, and computes in float32 at least.
    A query that sees no key gets 0 and an lse of -inf, which `merge` reads as an empty set.

    Returns
    -------
    out : Tensor
        (..., m, value_dim), float32 or float64.
    lse : Tensor
        (..., m): the natural log of the denominator, of the same type.
    """
    if is_causal and attn_mask is not None:
        raise InvalidArgumentError("attn_mask and is_causal are both given; only one may be")
    m, n = query.shape[-2], key.shape[-2]
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    if enable_gqa and key.shape[-3] != query.shape[-3]:
        groups, rest = divmod(query.shape[-3], key.shape[-3])
        if rest:
            raise InvalidArgumentError(
                f"query has {query.shape[-3]} heads; it must be a multiple of the {key.shape[-3]} of key"
            )
        key, value = key.repeat_interleave(groups, -3), value.repeat_interleave(groups, -3)
    if is_causal:
        attn_mask = torch.ones(m, n, dtype=torch.bool, device=query.device).tril()
    wide = _wide(query.dtype)
    q = query.to(wide) * factor
    top = q.new_full((*q.shape[:-1], 1), -math.inf)  # the largest logit so far
    total = torch.zeros_like(top)  # sum of exp(logit - top)
    out = q.new_zeros((*q.shape[:-1], value.shape[-1]))  # sum of exp(logit - top) * value
    for start in range(0, n, _BLOCK):
        block = slice(start, start + _BLOCK)
        logits = q @ key[..., block, :].to(wide).mT
        if attn_mask is not None:
            mask = attn_mask if attn_mask.shape[-1] == 1 else attn_mask[..., block]
            logits = logits.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else logits + mask.to(wide)
        new_top = torch.maximum(top, logits.detach().amax(-1, keepdim=True))
        shift = new_top.masked_fill(new_top == -math.inf, 0.0)  # nothing seen yet: exp(-inf - 0) = 0, not NaN
        weights, shrink = torch.exp(logits - shift), torch.exp(top - shift)
        total = total * shrink + weights.sum(-1, keepdim=True)
        out = out * shrink + weights @ value[..., block, :].to(wide)
        top = new_top
    lse = (top + total.log()).squeeze(-1)
    return out / total.masked_fill(total == 0, 1.0), lse


def _merge(a: Tuple[Tensor, Tensor], b: Tuple[Tensor, Tensor]) -> Tuple[Tensor, Tensor]:
    """`dpattn.merge` in torch's own operations, through which gradients flow."""
    lse_a, lse_b = a[1], b[1].to(a[1].dtype)
    share = torch.sigmoid(lse_a - lse_b).unsqueeze(-1).to(a[0].dtype)
    return share * a[0] + (1 - share) * b[0].to(a[0].dtype), torch.logaddexp(lse_a, lse_b)


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32

def turned(x: Tensor) -> Tensor:
    """Rotary position embedding of x [batch, heads, positions, key_dim]."""
    half = x.shape[-1] // 2
    frequencies = 10_000.0 ** (-torch.arange(half, device=x.device, dtype=torch.float64) / half)
    angles = torch.arange(x.shape[-2], device=x.device, dtype=torch.float64)[:, None] * frequencies
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    a, b = x[..., :half], x[..., half:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class Attention(nn.Module):
    """Self-attention with fewer heads of keys than of queries, heads of any width, or rotary positions."""

    def __init__(self, width, heads, kv_heads, key_dim, causal=False, rotary=False, dropout=0.0, bias=True):
        super().__init__()
        self.heads, self.kv_heads, self.key_dim = heads, kv_heads, key_dim
        self.causal, self.rotary, self.dropout = causal, rotary, dropout
        inner = (heads + 2 * kv_heads) * key_dim
        self.in_proj_weight = nn.Parameter(torch.empty(inner, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(inner)) if bias else None
        self.out_proj = nn.Linear(heads * key_dim, width, bias=bias)
        nn.init.xavier_uniform_(self.in_proj_weight)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        batch, positions, _ = x.shape
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)
        qkv = qkv.view(batch, positions, self.heads + 2 * self.kv_heads, self.key_dim).transpose(1, 2)
        q, k, v = qkv.split([self.heads, self.kv_heads, self.kv_heads], dim=1)
        if self.rotary:
            q, k = turned(q), turned(k)
        k, v = (t.repeat_interleave(self.heads // self.kv_heads, dim=1) for t in (k, v))
        seen = torch.ones(positions, positions, dtype=torch.bool, device=x.device)
        if self.causal:
            seen = seen.tril()
        if lengths is not None:
            seen = seen & (torch.arange(positions, device=x.device) < lengths[:, None])[:, None, None]
        dropout = self.dropout if self.training else 0.0
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=seen, dropout_p=dropout)
        if lengths is not None:
            o = torch.where(lengths[:, None, None, None] > 0, o, 0.0)
        return self.out_proj(o.transpose(1, 2).flatten(2))

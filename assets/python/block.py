class Block(nn.Module):
    """Attention and a feed-forward network, each with a norm before it and a path around it."""

    def __init__(
        self, attention, width, hidden, activation, gated=False, norm=nn.LayerNorm, eps=1e-5, dropout=0.0, bias=True
    ):
        super().__init__()
        self.self_attn, self.activation = attention, activation
        self.norm1, self.norm2 = norm(width, eps=eps), norm(width, eps=eps)
        self.linear1 = nn.Linear(width, hidden, bias=bias)
        self.linear2 = nn.Linear(hidden, width, bias=bias)
        self.gate = nn.Linear(width, hidden, bias=bias) if gated else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        x = x + self.dropout(self.self_attn(self.norm1(x), lengths))
        y = self.norm2(x)
        if self.gate is None:
            y = self.activation(self.linear1(y))
        else:
            y = self.activation(self.gate(y)) * self.linear1(y)
        return x + self.dropout(self.linear2(y))

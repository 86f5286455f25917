def block(
    x, name, attention, hidden, activation, norm, epsilon, gated=False, causal=False, dropout=0.0, use_bias=True
):
    """Attention and a feed-forward network, each with a norm before it and a path around it."""
    width = x.shape[-1]
    y = norm(epsilon=epsilon, name=f"{name}.norm1")(x)
    y = attention(y, y, use_causal_mask=causal)
    x = layers.Add()([x, layers.Dropout(dropout)(y)])  # which keeps the mask
    y = norm(epsilon=epsilon, name=f"{name}.norm2")(x)
    inner = layers.Dense(hidden, use_bias=use_bias, activation=None if gated else activation, name=f"{name}.linear1")(y)
    if gated:
        inner = layers.Dense(hidden, use_bias=use_bias, activation=activation, name=f"{name}.gate")(y) * inner
    y = layers.Dense(width, use_bias=use_bias, name=f"{name}.linear2")(inner)
    return layers.Add()([x, layers.Dropout(dropout)(y)])

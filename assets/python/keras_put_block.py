def put_block(model, t, name, heads, kv_heads):
    """Puts the weights of a block in their places."""
    model.get_layer(f"{name}.self_attn").set_weights(attention(t, f"{name}.self_attn", heads, kv_heads))
    for part in ("norm1", "norm2", "linear1", "linear2", "gate"):
        own = [t[key].T for key in (f"{name}.{part}.weight", f"{name}.{part}.bias") if key in t]
        if own:
            model.get_layer(f"{name}.{part}").set_weights(own)

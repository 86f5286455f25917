def attention(t, name, heads, kv_heads):
    """The weights of an attention, from projections of queries, keys and values in one matrix."""
    weight, bias = t[f"{name}.in_proj_weight"], t.get(f"{name}.in_proj_bias")
    out, out_bias = t[f"{name}.out_proj.weight"], t.get(f"{name}.out_proj.bias")
    width, rows = weight.shape[1], weight.shape[0] // (heads + 2 * kv_heads)
    weights, first = [], 0
    for count in (heads, kv_heads, kv_heads):
        part = slice(first * rows, (first + count) * rows)
        weights.append(weight[part].T.reshape(width, count, rows))
        if bias is not None:
            weights.append(bias[part].reshape(count, rows))
        first += count
    weights.append(out.T.reshape(heads, rows, width))
    return weights if out_bias is None else [*weights, out_bias]

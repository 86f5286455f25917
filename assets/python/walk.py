def walk(recurrent: nn.Module, x: Tensor, lengths: Tensor):
    """A recurrent module over samples of several lengths: zeros behind the end of each."""
    packed = nn.utils.rnn.pack_padded_sequence(
        x, lengths.clamp(min=1).cpu(), batch_first=True, enforce_sorted=False
    )
    y, state = recurrent(packed)
    y, _ = nn.utils.rnn.pad_packed_sequence(y, batch_first=True, total_length=x.shape[1])
    empty = lengths == 0
    # A sample without a position keeps the state that it begins with.
    y = torch.where(empty[:, None, None], 0.0, y)
    state = tuple(s.masked_fill(empty[None, :, None], 0.0) for s in state) if isinstance(state, tuple) else (
        state.masked_fill(empty[None, :, None], 0.0)
    )
    return y, state

def lengths_of(tokens: Tensor) -> Tensor:
    """The positions of each sample up to its last token that is no padding (0)."""
    places = torch.arange(1, tokens.shape[1] + 1, device=tokens.device)
    return torch.where(tokens == 0, 0, places).amax(dim=1)


def valid(x: Tensor, lengths: Tensor) -> Tensor:
    """Whether each position [batch, positions] is one of its sample's."""
    return torch.arange(x.shape[1], device=x.device) < lengths[:, None]


def mean_of_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """The mean over the positions of each sample, zeros where it has none."""
    total = torch.where(valid(x, lengths)[..., None], x, 0.0).sum(dim=1)
    return total / lengths.clamp(min=1)[:, None]


def max_of_valid(x: Tensor, lengths: Tensor) -> Tensor:
    """The largest over the positions of each sample, zeros where it has none."""
    largest = torch.where(valid(x, lengths)[..., None], x, float("-inf")).amax(dim=1)
    return torch.where(lengths[:, None] > 0, largest, 0.0)

def sinusoids(positions: int, width: int) -> Tensor:
    """Sines at even columns and cosines at odd ones, of falling frequencies."""
    column = torch.arange(width)
    divisor = 10_000.0 ** ((column // 2 * 2).double() / width)
    angle = torch.arange(positions)[:, None] / divisor
    return torch.where(column % 2 == 0, angle.sin(), angle.cos()).float()

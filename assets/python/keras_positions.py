def sinusoids(positions, width):
    """Sines at even columns and cosines at odd ones, of falling frequencies."""
    column = np.arange(width)
    angle = np.arange(positions)[:, None] / 10_000.0 ** (column // 2 * 2 / width)
    return np.where(column % 2 == 0, np.sin(angle), np.cos(angle)).astype("float32")


class Positions(layers.Layer):
    """Adds a vector for its position to each element of [batch, positions, width]."""

    def __init__(self, rows, width, trainable=True, **keys):
        super().__init__(**keys)
        self.supports_masking = True
        self.table = self.add_weight(shape=(rows, width), initializer="random_uniform", trainable=trainable, name="table")

    def call(self, x):
        return x + self.table[: ops.shape(x)[1]]

def gates(x):
    """The gates of a GRU, r z n, in the order of Keras: z r n."""
    r, z, n = np.split(x, 3)
    return np.concatenate([z, r, n])

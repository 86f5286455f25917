class Tied(layers.Layer):
    """Scores for all tokens by the vectors of an embedding."""

    def __init__(self, embedding, **keys):
        super().__init__(**keys)
        self.embedding = embedding

    def call(self, x):
        return ops.matmul(x, ops.transpose(self.embedding.embeddings))

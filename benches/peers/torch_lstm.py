"""An LSTM over the rows of 28x28 images in PyTorch eager: steps per second, for
comparison with `cargo bench --bench step -- lstm`.

    python benches/peers/torch_lstm.py [BATCH] [DEVICE] [THREADS]
"""

import torch
from torch import nn

from timing import arguments, report

batch, device = arguments(128, threads=2)
torch.manual_seed(0)


class Rows(nn.Module):
    """One row of the image per step; the last state is classified."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(28, 128, batch_first=True)
        self.dense = nn.Linear(128, 10)

    def forward(self, x):
        y, _ = self.lstm(x)
        return self.dense(y[:, -1])


model = Rows().to(device)
optimizer = torch.optim.Adam(model.parameters())
loss_fn = nn.CrossEntropyLoss()
x = torch.randn(batch, 28, 28, device=device)
y = torch.randint(0, 10, (batch,), device=device)


def step():
    optimizer.zero_grad()
    loss_fn(model(x), y).backward()
    optimizer.step()


report(step, batch, device)

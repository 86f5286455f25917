"""An LSTM over the rows of 28x28 images in PyTorch eager: steps per second, for
comparison with `cargo bench --bench step -- lstm`.

    python benches/peers/torch_lstm.py [BATCH] [DEVICE] [THREADS]
"""

import statistics
import sys
import time

import torch
from torch import nn

batch = int(sys.argv[1]) if len(sys.argv) > 1 else 128
device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
torch.set_num_threads(int(sys.argv[3]) if len(sys.argv) > 3 else 2)
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


def wait():
    if device != "cpu":
        torch.cuda.synchronize()


for _ in range(5):
    step()
rates = []
for _ in range(3):
    wait()
    begun, n = time.perf_counter(), 0
    while time.perf_counter() - begun < 2.0:
        step()
        n += 1
    wait()
    rates.append(n / (time.perf_counter() - begun))
print(f"PyTorch {torch.__version__} eager on {device}, {torch.get_num_threads()} threads, batch {batch}: "
      f"{statistics.median(rates):.1f} steps/s (median of 3; {min(rates):.1f} to {max(rates):.1f})")

"""keras-cnn in PyTorch eager: steps per second, for comparison with
`cargo bench --bench step`.

    python benches/peers/torch_cnn.py [BATCH] [DEVICE]
"""

import statistics
import sys
import time

import torch
from torch import nn

batch = int(sys.argv[1]) if len(sys.argv) > 1 else 128
device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(5408, 128), nn.ReLU(), nn.Linear(128, 10)
).to(device)
optimizer = torch.optim.Adam(model.parameters())
loss_fn = nn.CrossEntropyLoss()
x = torch.randn(batch, 1, 28, 28, device=device)
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

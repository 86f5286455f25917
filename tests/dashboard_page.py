"""Checks in headless Chromium what the dashboard's page makes of a run's files:
curves before the first epoch ends, no tick "-0", every end, and that it keeps
what it was told when the server has gone.

    apt-get install chromium
    python3 tests/dashboard_page.py
"""

import http.server
import json
import math
import pathlib
import re
import shutil
import subprocess
import threading
import time

PAGE = pathlib.Path(__file__).parent.parent / "assets/report/dashboard.html"
CHROMIUM = next(filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome"])), None)
BATCHES, EPOCHS, EVERY = 469, 10, 23


def records(steps, lift, by_step):
    """Lines of a metrics.jsonl after so many steps, its losses lifted so far."""
    for step in range(1, steps + 1):
        loss = 2.3 * math.exp(-step / 400) + lift
        if by_step and (step % EVERY == 0 or step < EVERY and step & (step - 1) == 0):
            yield {"step": step, "epoch": step / BATCHES, "loss": loss, "accuracy": 0.5, "lr": 0.01, "grad_norm": 1.0}
        if step % BATCHES == 0:
            scores = {"loss": loss, "accuracy": 0.5}
            yield {"epoch": step // BATCHES, "step": step, "train": scores, "val": scores, "lr": 0.01, "seconds": 8.0}


def shown(run, steps, lift=0.1, by_step=True):
    """The page's DOM some seconds after the run has ended, or while it goes on."""
    running = run["state"] == "running"
    live = {"epoch": steps // BATCHES + 1, "step": steps, "seconds_left": 75.0, "written": time.time()}
    files = {
        "/": PAGE.read_text(),
        "/metrics.jsonl": "".join(json.dumps(r) + "\n" for r in records(steps, lift, by_step)),
        "/run.json": json.dumps({"model": "mlp", "data": "digits", "epochs": EPOCHS, "steps": EPOCHS * BATCHES} | run),
        "/live.json": json.dumps(live if running and steps else {}),
        "/report.html": "<!doctype html>the report",
        "/end": '{"ended":true}',
        "/goodbye": "",
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if server.gone or running and self.path == "/end":
                self.send_error(503)
                return
            if self.path not in files:
                self.send_error(404)
                return
            server.gone = self.path == "/goodbye"
            body = files[self.path].encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json" if self.path.endswith("json") else "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.gone = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/"
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=20000", "--dump-dom"]
    dom = subprocess.run([CHROMIUM, *options, url], capture_output=True, text=True, timeout=120, check=True).stdout
    dom = re.sub("<script>.*</script>", "", dom, flags=re.DOTALL)
    server.shutdown()
    state = re.search(r'<p id="state" class="(\w*)">(.*?)</p>', dom)
    labels = [t for t in re.findall(r"<text[^>]*>(.*?)</text>", dom)]
    assert server.gone != running, "a page says goodbye when the run has ended, and not before"
    assert "no answer" not in dom and not any(re.fullmatch(r"-0(\.0*)?(e.*)?", label) for label in labels), labels
    return dom, state.group(1), state.group(2), labels


def main():
    running = {"state": "running", "stopped": None}
    dom, state, text, _ = shown(running, 0)
    assert (state, text) == ("running", "waiting for the first step"), text
    dom, state, text, labels = shown(running, 50)
    assert "epoch 1 of 10 · 1 % · about 1 min 15 s left" in text, text
    assert dom.count("<polyline") == 4 and "validation" not in dom and "0.06" in labels, labels
    # An axis that begins at zero, and losses on both sides of it.
    *_, labels = shown(running, BATCHES, by_step=False)
    assert "0" in labels, labels
    for lift in (-0.7, -0.1003, -2.3):
        *_, labels = shown(running, 2000, lift)
        assert "0" in labels, labels
    # Losses that fall by decades.
    dom, *_, labels = shown(running, 4000, 0.001)
    assert "loss, logarithmic" in dom and {"0.01", "0.1", "1"} <= set(labels), labels
    # A run of an earlier version has epochs alone and says only why it ended.
    dom, state, text, _ = shown({"stopped": "finished", "state": None}, 4690, by_step=False)
    assert (state, text) == ("finished", "finished after 10 epochs") and dom.count("<polyline") == 5, text
    figures = [{"name": "Accuracy", "value": 0.9861, "share": True}, {"name": "<b>", "value": None}]
    dom, state, text, _ = shown({"state": "finished", "stopped": "finished", "best_epoch": 9, "figures": figures}, 4690)
    assert (state, text) == ("finished", "finished after 10 epochs · best epoch 9"), text
    assert re.search(r'<a href="blob:[^"]*" target="_blank">Open the report</a>', dom), dom
    assert "98.6 %" in dom and "&lt;b&gt;" in dom and "of 4,690" in dom, dom
    for state, why in [
        ("stopped", "early stopping in epoch 4: val_loss was best in epoch 2 (0.1000)"),
        ("interrupted", "interrupted after 2100 steps; --resume goes on from there"),
        ("diverged", "the loss stopped being a finite number"),
        ("failed", "No space left on device"),
    ]:
        dom, found, text, _ = shown({"state": state, "stopped": why}, 2100)
        assert (found, text) == (state, why), (found, text)
        assert ("Open the report" in dom) == (state == "stopped"), state
    print("the dashboard's page shows what the files say")


main()

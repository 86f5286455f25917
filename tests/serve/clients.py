"""Clients as they are on PyPI, and a fuzzer of the OpenAPI document, against `wgrad serve`.

    python3 -m venv venv && venv/bin/pip install -r tests/serve/requirements.txt schemathesis
    venv/bin/python tests/serve/clients.py [--wgrad target/release/wgrad] [--examples 20]

Trains a few small models, serves them, and exits with 1 where a client meets anything
unexpected. Without a package, what needs it is left out and said.
"""

import argparse
import base64
import importlib.util
import json
import os
import pathlib
import ssl
import struct
import subprocess
import sys
import tempfile
import urllib.request
import zlib

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def png(side, value):
    """A grey picture."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes([value]) * side for _ in range(side))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def train(wgrad, at):
    """Small models of pictures, rows and text."""
    flats = "size,district,price\n" + "".join(
        f"{30 + i * 37 % 90},{['north', 'south'][i % 2]},{30 + i * 37 % 90 + 500 * (i % 2)}\n" for i in range(120))
    (at / "flats.csv").write_text(flats)
    (at / "story.txt").write_text("the cat sat on the mat. " * 60)
    (at / "writer.toml").write_text(
        'name = "writer"\ninput = [16]\n[[layer]]\ntype = "Embedding"\noutput_dim = 16\n[[layer]]\ntype = "GRU"\n'
        'units = 16\nreturn_sequences = true\n[[layer]]\ntype = "Dense"\nunits = "vocabulary"\n')
    (at / "small.toml").write_text(
        'name = "small"\n[[layer]]\ntype = "Flatten"\n[[layer]]\ntype = "Dense"\nunits = "classes"\n')
    runs = {
        "digits": ["--data", "digits", "--model", "small.toml", "--epochs", "1", "--max-steps", "20"],
        "flats": ["--data", "flats.csv", "--target", "price", "--epochs", "3"],
        "writer": ["--data", "story.txt", "--model", "writer.toml", "--tokenizer", "byte", "--epochs", "1"],
    }
    return trained(wgrad, at, runs)


def trained(wgrad, at, runs):
    """Trains runs by name, each with its flags; gives the names."""
    for name, flags in runs.items():
        command = [wgrad, "train", *flags, "--device", "cpu", "--out", name]
        subprocess.run(command, cwd=at, check=True, capture_output=True)
    return list(runs)


class Server:
    """`wgrad serve` on a free port."""

    def __init__(self, wgrad, at, runs, *flags):
        command = [wgrad, "serve", *runs, "--device", "cpu", "--port", "0", "--no-access-log", *flags]
        self.process = subprocess.Popen(command, cwd=at, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "serving on " in line:
                self.url = line.split("serving on ")[1].split("/;")[0]
                return
        raise SystemExit(f"the server did not start: exit code {self.process.wait()}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        code = self.process.wait(timeout=60)
        assert code == 0, f"the server ended with {code}"


def triton(server):
    """Triton's own client, binary and JSON."""
    import numpy as np
    import tritonclient.http as http

    client = http.InferenceServerClient(server.url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("digits")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    metadata = client.get_model_metadata("digits")
    config = client.get_model_config("digits")
    assert metadata["inputs"][0]["datatype"] == "UINT8" and config["input"][0]["data_type"] == "TYPE_UINT8"
    assert {m["name"] for m in client.get_model_repository_index()} == {"digits", "flats", "writer"}
    pixels = (np.arange(3 * 784) % 251).astype(np.uint8).reshape(3, 1, 28, 28)
    found = []
    for binary in (True, False):
        x = http.InferInput("input", pixels.shape, "UINT8")
        x.set_data_from_numpy(pixels, binary_data=binary)
        wanted = [http.InferRequestedOutput(name, binary_data=binary) for name in ("probabilities", "label")]
        for outputs in (wanted, None):
            result = client.infer("digits", [x], outputs=outputs, request_id="42", model_version="1")
            assert result.get_response()["id"] == "42"
            found.append((result.as_numpy("probabilities"), [str(l) for l in result.as_numpy("label")]))
    assert all((found[0][0] == p).all() for p, _ in found), "the same numbers each way"
    assert found[0][0].shape == (3, 10) and abs(found[0][0].sum(axis=1) - 1).max() < 1e-5
    # Packed both ways, many at a time, and the highest classes.
    x.set_data_from_numpy(pixels)
    for coding in ("gzip", "deflate"):
        result = client.infer("digits", [x], request_compression_algorithm=coding, response_compression_algorithm=coding)
        assert (result.as_numpy("probabilities") == found[0][0]).all()
    top = client.infer("digits", [x], outputs=[http.InferRequestedOutput("probabilities", class_count=2)])
    best = top.as_numpy("probabilities")
    assert best.shape == (3, 2) and int(best[0][0].decode().split(":")[1]) == found[0][0][0].argmax()
    many = [client.async_infer("digits", [x]) for _ in range(8)]
    assert all((m.get_result().as_numpy("probabilities") == found[0][0]).all() for m in many)
    # Columns of a table.
    size = http.InferInput("size", [2, 1], "FP64")
    size.set_data_from_numpy(np.array([[80.0], [31.0]]))
    district = http.InferInput("district", [2, 1], "BYTES")
    district.set_data_from_numpy(np.array([["north"], ["south"]], dtype=object))
    prices = client.infer("flats", [size, district]).as_numpy("values")
    assert prices.shape == (2, 1) and np.isfinite(prices).all()
    assert client.get_inference_statistics("digits")["model_stats"][0]["inference_count"] > 0
    for wrong in (lambda: client.infer("nobody", [x]), lambda: client.load_model("digits"), lambda: client.infer("flats", [x])):
        try:
            wrong()
        except Exception as e:
            assert type(e).__name__ == "InferenceServerException" and len(str(e)) > 10, e
        else:
            raise AssertionError("it was taken")
    client.close()


def tensorflow_serving(server):
    """Requests as TensorFlow Serving's own examples make them, with `requests`."""
    import requests

    status = requests.get(f"{server.url}/v1/models/digits").json()
    assert status["model_version_status"][0]["state"] == "AVAILABLE"
    pixels = [[[i / 27 for i in range(28)] for _ in range(28)]]
    url = f"{server.url}/v1/models/digits:predict"
    body = json.dumps({"signature_name": "serving_default", "instances": [pixels, pixels]})
    answer = requests.post(url, data=body, headers={"content-type": "application/json"})
    answer.raise_for_status()
    rows = answer.json()["predictions"]
    assert len(rows) == 2 and len(rows[0]) == 10 and abs(sum(rows[0]) - 1) < 1e-5
    columns = requests.post(url, json={"inputs": [pixels]}).json()["outputs"]
    assert columns[0] == rows[0]
    picture = base64.b64encode(png(40, 200)).decode()
    assert len(requests.post(url, json={"instances": [{"b64": picture}]}).json()["predictions"][0]) == 10
    rows = requests.post(f"{server.url}/v1/models/flats:predict", json={"instances": [{"size": 80, "district": "north"}]})
    assert len(rows.json()["predictions"]) == 1, rows.text
    files = [("file", ("a.png", png(40, 200))), ("file", ("b.png", png(28, 3)))]
    named = requests.post(f"{server.url}/predict", params={"model": "digits"}, files=files).json()
    assert [p["file"] for p in named["predictions"]] == ["a.png", "b.png"]
    with requests.post(f"{server.url}/generate", params={"model": "writer"}, json={"prompt": "the ", "max_tokens": 8},
                       stream=True) as stream:
        events = [line for line in stream.iter_lines() if line]
    assert len(events) > 2 and events[-1].startswith(b'data: {"done":true'), events


def secure(wgrad, at):
    """HTTPS and a token."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-keyout", "key.pem", "-out", "cert.pem", "-days", "2", *subject],
                   cwd=at, check=True, capture_output=True)
    (at / "token").write_text("open-sesame\n")
    flags = ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--token-file", "token"]
    with Server(wgrad, at, ["digits"], *flags) as server:
        assert server.url.startswith("https://")
        context = ssl.create_default_context(cafile=at / "cert.pem")
        ask = urllib.request.Request(f"{server.url}/v2", headers={"Authorization": "Bearer open-sesame"})
        assert json.load(urllib.request.urlopen(ask, context=context))["name"] == "wgrad"
        try:
            urllib.request.urlopen(f"{server.url}/v2", context=context)
        except urllib.error.HTTPError as e:
            assert e.code == 401
        else:
            raise AssertionError("it answered without a token")


def fuzzed(server, at, examples):
    """schemathesis, by the server's own document."""
    program = pathlib.Path(sys.executable).parent / "schemathesis"
    command = [program, "run", f"{server.url}/openapi.json", "--max-examples", str(examples), "--workers", "1",
               "--request-timeout", "60", "--suppress-health-check", "all"]
    # It leaves a folder of what it found.
    done = subprocess.run(command, cwd=at, capture_output=True, text=True, env={**os.environ, "NO_COLOR": "1"})
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wgrad", default=str(ROOT / "target/release/wgrad"))
    parser.add_argument("--examples", type=int, default=20)
    args = parser.parse_args()
    wgrad = str(pathlib.Path(args.wgrad).resolve())
    failed = []

    def check(name, needs, run):
        if needs and importlib.util.find_spec(needs) is None:
            print(f"{name}: left out, there is no {needs}")
            return
        try:
            run()
            print(f"{name}: passed")
        except Exception as e:
            failed.append(name)
            print(f"{name}: FAILED: {type(e).__name__}: {e}")

    with tempfile.TemporaryDirectory() as folder:
        at = pathlib.Path(folder)
        runs = train(wgrad, at)
        with Server(wgrad, at, runs) as server:
            check("tritonclient", "tritonclient", lambda: triton(server))
            check("TensorFlow Serving", "requests", lambda: tensorflow_serving(server))
        with Server(wgrad, at, ["flats", "writer"], "--max-tokens", "32", "--max-samples", "16") as server:
            check("schemathesis", "schemathesis", lambda: fuzzed(server, at, args.examples))
        check("HTTPS and token", None, lambda: secure(wgrad, at))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

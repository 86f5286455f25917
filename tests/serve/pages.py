"""The pages of served models in headless Chromium: what they show is what the server answers.

    cargo build --release && python3 tests/serve/pages.py [--wgrad target/release/wgrad] [--shots FOLDER]

Trains a few small models, serves them, opens the page of each, and exits with 1 where an answer
differs, a console says anything, or nothing is shown. `--shots` keeps pictures of the pages.
"""

import argparse
import base64
import json
import pathlib
import sys
import tempfile
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "web")]
from chromium import Browser, found  # noqa: E402
from clients import ROOT, Server, png, train, trained  # noqa: E402

READY = """async () => {
  for (let i = 0; i < 100 && !globalThis.model; i += 1) await new Promise((done) => setTimeout(done, 100));
  return document.getElementById("state").textContent;
}"""
ASK = """async (kind, input) => {
  const image = new ImageData(8, 8);
  image.data.fill(255);
  for (let i = 0; i < 64; i += 1) for (let c = 0; c < 3; c += 1) image.data[4 * i + c] = input;
  return await model.predict(kind === "picture" ? image : input);
}"""
# What a visitor does, and the words that stand there a moment later.
FILL = """async (selector, text) => {
  const field = document.querySelector(selector);
  field.value = text;
  field.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise((done) => setTimeout(done, 800));
  return document.getElementById("page").innerText;
}"""
WRITE = """async () => {
  let text = "";
  for await (const piece of model.generate("the cat", { length: 24, temperature: 0, topK: 0, seed: 1, stop: "" })) text += piece;
  document.querySelector("button.main").click();
  await new Promise((done) => setTimeout(done, 1500));
  return [text, document.querySelector("p.text").textContent];
}"""


def more(wgrad, at):
    """A series and texts with classes, beside the models of `clients`."""
    rows = "".join(f"{2010 + i // 12}-{1 + i % 12:02}-01,{50 + 10 * (i % 12) + i % 5}\n" for i in range(120))
    (at / "wave.csv").write_text("month,value\n" + rows)
    (at / "said.csv").write_text("text,label\n" + "it was good,good\nit was bad,bad\n" * 40)
    return trained(wgrad, at, {
        "wave": ["--data", "wave.csv", "--target", "value", "--window", "12", "--horizon", "6", "--epochs", "2"],
        "said": ["--data", "said.csv", "--target", "label", "--model", "text-transformer", "--epochs", "1"],
    })


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--wgrad", default=ROOT / "target/release/wgrad", type=pathlib.Path)
    parser.add_argument("--shots", type=pathlib.Path)
    options = parser.parse_args()
    if not found():
        print("not run: there is no Chromium")
        return
    wgrad = options.wgrad.resolve()
    with tempfile.TemporaryDirectory() as folder, Browser() as browser:
        at = pathlib.Path(folder)
        runs = train(wgrad, at) + more(wgrad, at)

        def shot(name):
            for width in [400, 1280] if options.shots else []:
                options.shots.mkdir(parents=True, exist_ok=True)
                browser.size(width, 900)
                browser.screenshot(options.shots / f"{name}-{width}.png")

        with Server(wgrad, at, runs) as server:

            def post(path, body, kind="application/json"):
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                request = urllib.request.Request(server.url + path, data, {"Content-Type": kind})
                return json.load(urllib.request.urlopen(request))

            def page(name):
                browser.open(f"{server.url}/pages/{name}")
                assert "the server, on" in browser.run(READY), browser.messages

            browser.open(server.url)
            assert browser.run("async () => document.querySelectorAll('td a[href^=\"/pages/\"]').length") == len(runs)
            shot("list")

            page("digits")
            got = browser.run(ASK, "picture", 200)
            picture = base64.b64encode(png(8, 200)).decode()
            wanted = post("/predict?model=digits&top=10", {"pictures": [picture]})["predictions"][0]
            assert got["class"] == wanted["class"] and len(got["values"]) == 10, (got, wanted)
            assert got["values"][got["outputs"].index(got["class"])] == wanted["probability"]
            shot("digits")

            page("flats")
            text = browser.run(FILL, "form input", "77")
            wanted = post("/predict?model=flats", {"rows": [{"size": "77", "district": "north"}]})
            value = wanted["predictions"][0]["values"]["price"]
            assert f"{float(f'{value:.6g}'):g}" in text.replace("\u00a0", " "), (value, text)
            shot("flats")
            assert "size" in browser.run(FILL, "form input", "large"), "a mistake is named"
            shot("flats-mistake")

            page("said")
            assert "%" in browser.run(FILL, "textarea", "it was good")
            got = browser.run(ASK, "text", "it was good")
            wanted = post("/predict?model=said", {"texts": ["it was good"]})["predictions"][0]
            assert (got["class"], got["probability"]) == (wanted["class"], wanted["probability"])

            page("wave")
            csv = (at / "wave.csv").read_text()
            text = browser.run(FILL, "textarea", csv)
            assert "6 that are forecast" in text, text
            got = browser.run(ASK, "series", csv)
            wanted = post("/predict?model=wave", csv.encode(), "text/csv")["predictions"]
            assert got["values"] == [one["values"]["value"] for one in wanted]
            assert wanted[0]["date"] in got["outputs"][0]
            shot("wave")

            page("writer")
            text, shown = browser.run(WRITE)
            whole = post("/generate?model=writer", {"prompt": "the cat", "max_tokens": 24, "temperature": 0, "stream": False})
            assert text == whole["text"] and len(shown) > 0, (text, whole, shown)
            shot("writer")

        with Server(wgrad, at, ["flats"]) as server:
            browser.open(server.url)
            assert "the server, on" in browser.run(READY)
        # The server has ended: the page says so.
        assert "still running" in browser.run(FILL, "form input", "78")
        said = [m for m in browser.messages if "ERR_CONNECTION_REFUSED" not in m and "400" not in m]
        assert not said, said
    print(f"{len(runs)} pages, each answer as the server's")


if __name__ == "__main__":
    main()

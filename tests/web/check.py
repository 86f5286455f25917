"""Opens pages of trained models in headless Chromium, from the file alone, and compares their
answers with the program's own: samples to the bit (within 1e-6 where they are real numbers),
answers within 1e-5, a text of 200 tokens, the losses of 20 training steps within 1e-4. Nothing
may be said on the console.

    cargo build --release && cargo build --release --example web_reference
    python3 tests/web/check.py target/release/wgrad target/release/examples/web_reference FOLDER [NAME ..]

FOLDER keeps the trained runs, the pages and their screenshots. `--adapters` also runs the plans
for GPUs, and `--shots` makes screenshots.
"""

import functools
import http.server
import json
import pathlib
import random
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chromium import Browser, found  # noqa: E402

ANSWERS, LOSSES, NUMBERS = 1e-5, 1e-4, 1e-6

COMPARE = """async (reference, gpu) => {
  let model = globalThis.model;
  if (!model) throw new Error(document.getElementById("state").textContent);
  const bytes = () => Uint8Array.from(atob(document.getElementById("package").textContent), (c) => c.charCodeAt(0));
  if (gpu) model = await model.constructor.open(bytes(), { software: false });
  const base = model.about.input.kind;
  const far = (a, b) => a.length === b.length ? a.reduce((m, v, i) => Math.max(m, Math.abs(v - b[i]) / Math.max(1, Math.abs(b[i]))), 0) : Infinity;
  const input = (one) => base === "picture" ? new ImageData(Uint8ClampedArray.from(one.data), one.width, one.height) : one.input;
  const found = { samples: 0, sample: 0, odd: [], answers: 0, answer: 0 };
  for (const one of reference.inputs) {
    if (!one.sample && !one.tokens) break;
    const sample = one.tokens ? model.vocabulary.encode(one.input) : model.prepare(input(one));
    const distance = far(Array.from(sample), one.sample ?? one.tokens);
    if (distance > 1e-6 && found.odd.length < 3) found.odd.push(JSON.stringify(one.input ?? [one.width, one.height]).slice(0, 200));
    found.sample = Math.max(found.sample, distance);
    found.samples += 1;
  }
  for (const [i, answer] of (reference.answers ?? []).entries()) {
    const got = await model.predict(input(reference.inputs[i]));
    found.answer = Math.max(found.answer, far(got.values, answer));
    found.answers += 1;
  }
  if (reference.written !== undefined) {
    let text = "";
    for await (const piece of model.generate(reference.prompt, { length: reference.length, temperature: 0 })) text += piece;
    found.written = text === reference.written;
    found.text = text;
  }
  if (reference.losses && model.trains) {
    const [all, n] = [reference.inputs, model.batch];
    found.losses = [];
    for (let step = 0; step < reference.losses.length; step += 1) {
      const rows = Array.from({ length: n }, (_, i) => (step * n + i) % all.length);
      const labels = rows.map((i) => i % model.about.outputs.length);
      found.losses.push(await model.trainStep(rows.map((i) => Uint8Array.from(all[i].sample)), labels));
    }
    found.loss = far(found.losses, reference.losses);
    await model.reset();
    const again = await model.predict(input(all[0]));
    found.reset = far(again.values, reference.answers[0]);
  }
  return found;
}"""

WAIT = """async () => {
  for (let i = 0; i < 600; i += 1) {
    if (globalThis.model) return document.getElementById("state").textContent;
    const state = document.getElementById("state");
    if (state.className === "problem") throw new Error(state.textContent);
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error("the page does not open");
}"""


def texts(folder):
    """A table of made-up reviews, and a text."""
    rng = random.Random(1)
    good = "great lovely brilliant warm funny moving superb delightful".split()
    bad = "dull awful boring cold tedious weak dreadful poor".split()
    fill = "the film was a story of people in town with music and scenes that I found".split()
    lines = ["text,label"]
    for i in range(400):
        words = [rng.choice(fill) for _ in range(rng.randint(4, 12))]
        for _ in range(2):
            words.insert(rng.randrange(len(words)), rng.choice(good if i % 2 else bad))
        lines.append(f'"{" ".join(words)}",{"good" if i % 2 else "bad"}')
    (folder / "reviews.csv").write_text("\n".join(lines) + "\n")
    words = [rng.choice("the a king queen said went to home and then with sword crown night day".split()) for _ in range(20000)]
    (folder / "text.txt").write_text("The story.\n" + " ".join(w + (".\n" if i % 11 == 10 else "") for i, w in enumerate(words)))


def table(folder):
    """A table with numbers, categories, dates, texts and gaps."""
    rng = random.Random(2)
    lines = ["size,colour,bought,note,weight,class"]
    for i in range(400):
        size = rng.gauss(10, 3)
        colour = rng.choice(["red", "green", "blue", "blue", ""])
        label = "big" if size + (3 if colour == "red" else 0) > 11 else "small"
        date = f"20{rng.randint(10, 23)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
        note = rng.choice(["Mr. Smith of York", "Mrs. Jones of Bath", "Dr. Who", "Miss Marple", ""])
        weight = "" if rng.random() < 0.1 else f"{rng.uniform(1, 9):.2f}"
        lines.append(f"{size:.3f},{colour},{date},{note},{weight},{label}")
    (folder / "things.csv").write_text("\n".join(lines) + "\n")
    lines = ["day,sales,price"]
    for i in range(400):
        lines.append(f"2022-{1 + i // 28 % 12:02}-{1 + i % 28:02},{50 + 10 * (i % 7) + rng.gauss(0, 2):.2f},{rng.uniform(3, 5):.2f}")
    (folder / "sales.csv").write_text("\n".join(lines[:330]) + "\n")


def pictures(folder):
    """Coloured pictures of two kinds, as BMP."""
    rng = random.Random(3)
    for kind in ["round", "square"]:
        (folder / "shapes" / kind).mkdir(parents=True, exist_ok=True)
        for i in range(60):
            ink, paper = [[rng.randrange(256) for _ in range(3)] for _ in range(2)]
            x0, y0, r = rng.randrange(10, 22), rng.randrange(10, 22), rng.randrange(5, 10)
            inside = {"round": lambda x, y: x * x + y * y < r * r, "square": lambda x, y: max(abs(x), abs(y)) < r}[kind]
            pixels = b"".join(bytes(ink if inside(x - x0, y - y0) else paper) for y in range(32) for x in range(32))
            head = struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54 + len(pixels), 0, 0, 54, 40, 32, 32, 1, 24, 0, 0, 0, 0, 0, 0)
            (folder / "shapes" / kind / f"{i}.bmp").write_bytes(head + pixels)


MODELS = {
    "keras-cnn": ["--model", "keras-cnn", "--data", "digits", "--val-split", "0.02"],
    "resnet8": ["--model", "resnet8", "--data", "shapes"],
    "vit-tiny": ["--model", "vit-tiny", "--data", "digits", "--val-split", "0.02"],
    "lstm": ["--model", "lstm", "--data", "digits", "--val-split", "0.02"],
    "bi-gru": ["--model", "bi-gru", "--data", "digits", "--val-split", "0.02"],
    "tabular": ["--model", "tabular", "--data", "things.csv", "--target", "class"],
    "text-transformer": ["--model", "text-transformer", "--data", "reviews.csv", "--target", "label"],
    "text-bpe": ["--model", "text-transformer", "--data", "reviews.csv", "--target", "label", "--tokenizer", "bpe"],
    "char-gpt": ["--model", "char-gpt", "--data", "text.txt"],
    "forecast": ["--model", "lstm-forecast", "--data", "sales.csv", "--target", "sales", "--window", "21", "--horizon", "7"],
}
STEPS = {"resnet8": 4, "vit-tiny": 8, "char-gpt": 40}


def said_by(command, folder):
    """What a command prints; what it says on stderr if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
    return done.stdout


def check(name, wgrad, reference, folder, gpu, shots):
    began, run, page = time.time(), folder / name, (folder / f"{name}.html").resolve()
    data = next((a for a in MODELS[name] if a.endswith((".csv", ".txt"))), None)
    if not run.is_dir():
        steps = str(STEPS.get(name, 60))
        options = ["--device", "cpu", "--max-steps", steps, "--out", name]
        said_by([wgrad, "train", *MODELS[name], *options], folder)
    train = ["--train"] if name == "keras-cnn" else []
    said_by([wgrad, "export", name, "--format", "web", *train, "--out", page], folder)
    expected = json.loads(said_by([reference, name, *([data] if data else [])], folder))
    faults = []
    with Browser() as browser:
        browser.open(page.as_uri())
        browser.run(WAIT)
        for kernels in [False, True] if gpu else [False]:
            found_ = browser.run(COMPARE, expected, kernels)
            text = found_.pop("text", None)
            limits = {"sample": NUMBERS, "answer": ANSWERS, "loss": LOSSES, "reset": ANSWERS}
            faults += [f"{key} {found_[key]:.2e}" for key, most in limits.items() if not found_.get(key, 0) <= most]
            if found_.get("written") is False:
                faults.append(f"wrote {text!r} and not {expected['written']!r}")
            least = {"samples": 200 if name != "forecast" else 0, "answers": 0 if name == "char-gpt" else 100}
            faults += [f"{found_[key]} {key}" for key, n in least.items() if found_[key] < n]
            losses = found_.pop("losses", None)
            if losses and len(losses) != 20:
                faults.append(f"{len(losses)} losses")
            print(f"{name}{' (kernels for GPUs)' if kernels else ''}: {json.dumps(found_)}", flush=True)
        if shots:
            shoot(browser, name, folder)
        faults += [f"said {m}" for m in browser.messages]
    size = page.stat().st_size
    print(f"{name}: {size / 1024:.0f} KiB, {time.time() - began:.0f} s, {'; '.join(faults) or 'well'}", flush=True)
    return faults


def lost(name, folder):
    """A device that goes away is opened again, and the page says so; weights learned stay."""
    page = (folder / f"{name}.html").resolve()
    predict = "async (data) => (await globalThis.model.predict(Uint8Array.from(data))).values"
    sample = [i * 7 % 256 for i in range(784)]
    with Browser() as browser:
        browser.open(page.as_uri())
        browser.run(WAIT)
        browser.run("""async (data) => {
          await globalThis.model.trainStep([Uint8Array.from(data)], [3]);
          await globalThis.model.keep();
        }""", sample)
        before = browser.run(predict, sample)
        browser.lose_device()
        after = browser.run(f"async (data) => {{ await new Promise((d) => setTimeout(d, 3000)); return ({predict})(data); }}", sample)
        said = browser.run("async () => document.getElementById('state').textContent")
    faults = [] if after == before else [f"after the device was lost: {after} and not {before}"]
    return faults if "went away" in said else [*faults, f"a device was lost and the page says {said!r}"]


def module(name, wgrad, folder):
    """The player alone, as a module of another page: a package, and the page's own address."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "index.html").write_text("<!doctype html><title>site</title><link rel=\"icon\" href=\"data:,\">")
    export = [wgrad, "export", name, "--format", "web", "--out"]
    said_by([*export, (site / "model.wgrad").resolve()], folder)
    said_by([*export, (site / "page.html").resolve()], folder)
    handler = functools.partial(QuietHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server, Browser() as browser:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser.open(f"http://127.0.0.1:{server.server_port}/index.html")
        answers = browser.run("""async (row) => {
          const { Model } = await import("./player.js");
          const answers = [];
          for (const source of ["model.wgrad", new URL("page.html", location.href)]) {
            const model = await Model.open(source);
            answers.push((await model.predict(row)).values);
            model.close();
          }
          return answers;
        }""", {"size": 12.5, "colour": "red", "bought": "2015-03-04", "note": "Dr. Who", "weight": 3})
        server.shutdown()
        said = browser.messages
    print(f"as a module: {answers}")
    return said + ([] if answers[0] == answers[1] and abs(sum(answers[0]) - 1) < 1e-5 else [f"as a module: {answers}"])


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


def without(folder):
    """What the page says where there is no adapter."""
    page = next(folder.glob("*.html")).resolve()
    with Browser(["--disable-gpu", "--disable-software-rasterizer"]) as browser:
        browser.open(page.as_uri())
        said = browser.run("""async () => {
          for (let i = 0; i < 100 && document.getElementById("state").className !== "problem"; i += 1) await new Promise((d) => setTimeout(d, 50));
          return document.getElementById("state").textContent;
        }""")
    print(f"without WebGPU: {said}")
    return [] if "WebGPU" in said and "settings" in said else [f"without WebGPU the page says {said!r}"]


def shoot(browser, name, folder):
    """The page at both widths, light and dark, with something in it."""
    browser.run("""async () => {
      const canvas = document.querySelector(".pad canvas");
      const area = document.querySelector("textarea");
      if (canvas) {
        const { left, top, width } = canvas.getBoundingClientRect();
        const at = (kind, x, y) => canvas.dispatchEvent(new PointerEvent(kind, { pointerId: 1, clientX: left + x * width, clientY: top + y * width, bubbles: true }));
        canvas.setPointerCapture = () => {};
        canvas.hasPointerCapture = () => true;
        at("pointerdown", 0.3, 0.25);
        for (const [x, y] of [[0.65, 0.25], [0.5, 0.5], [0.42, 0.8]]) at("pointermove", x, y);
        at("pointerup", 0.42, 0.8);
      } else if (area && globalThis.model.about.input.kind === "text") {
        area.value = "a lovely film, warm and funny";
        area.dispatchEvent(new Event("input"));
      } else if (globalThis.model.about.input.kind === "corpus") {
        document.querySelector("input[type=number]").value = 60;
        document.querySelector("button.main").click();
      }
      await new Promise((done) => setTimeout(done, 4000));
    }""")
    if name == "forecast":
        csv = (folder / "sales.csv").read_text()
        browser.run("""async (csv) => {
          const area = document.querySelector("textarea");
          area.value = csv;
          area.dispatchEvent(new Event("input"));
          await new Promise((done) => setTimeout(done, 3000));
        }""", csv)
    if name == "keras-cnn":
        browser.run("""async () => {
          const buttons = Object.fromEntries([...document.querySelectorAll("button")].map((b) => [b.textContent, b]));
          const choice = document.querySelector("section.wide select");
          for (const label of [7, 7, 1]) {
            choice.value = label;
            buttons["Add as an example"].click();
          }
          document.querySelector("section.wide input").value = 12;
          await new Promise((done) => setTimeout(done, 300));
          buttons.Train.click();
          await new Promise((done) => setTimeout(done, 9000));
        }""")
    for width, height in [(1280, 800), (400, 800)]:
        for dark in [False, True]:
            browser.size(width, height)
            browser.dark(dark)
            wide = browser.run("async () => { await new Promise((done) => setTimeout(done, 200)); return document.documentElement.scrollWidth; }")
            if wide > width:
                browser.messages.append(f"the page is {wide} wide in a window of {width}")
            browser.screenshot(folder / f"{name}-{width}-{'dark' if dark else 'light'}.png")


def main():
    flags = {a for a in sys.argv[1:] if a.startswith("--")}
    wgrad, reference, folder, *names = [a for a in sys.argv[1:] if a not in flags]
    if found() is None:
        sys.exit("no Chromium here: scripts/browser-check --install installs Debian's")
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    texts(folder)
    table(folder)
    pictures(folder)
    wgrad, reference = [str(pathlib.Path(p).resolve()) for p in (wgrad, reference)]
    bad = {n: check(n, wgrad, reference, folder, "--adapters" in flags, "--shots" in flags) for n in names or MODELS}
    if "keras-cnn" in bad:
        bad |= {"lost device": lost("keras-cnn", folder)}
    if "tabular" in bad:
        bad |= {"module": module("tabular", wgrad, folder)}
    bad |= {"no adapter": without(folder)}
    bad = {name: faults for name, faults in bad.items() if faults}
    if bad:
        sys.exit(f"{len(bad)} of the pages are not as they should be: {json.dumps(bad, indent=1)}")
    print("the pages answer as the program does")


main()

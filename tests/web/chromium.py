"""Headless Chromium by its debugging pipe: no package is needed."""

import itertools
import json
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile

OPTIONS = ["--headless", "--no-sandbox", "--remote-debugging-pipe", "--no-first-run", "--hide-scrollbars"]
WEBGPU = ["--enable-unsafe-webgpu", "--use-webgpu-adapter=swiftshader", "--enable-features=Vulkan"]


def found():
    """The path of Chromium, or None."""
    names = [os.environ.get("WGRAD_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next(filter(None, (shutil.which(name) for name in names if name)), None)


def ancestors(process):
    """The processes that a process descends from."""
    while process > 1:
        stat = pathlib.Path(f"/proc/{process}/stat").read_text()
        process = int(stat.rsplit(")", 1)[1].split()[1])
        yield process


class Browser:
    """A browser with one page; `messages` are what its console and its errors said."""

    def __init__(self, options=tuple(WEBGPU)):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)

        def descriptors():
            # The pipe is read as 3 and written as 4.
            spare = [os.dup(to_read), os.dup(to_write)]
            os.dup2(spare[0], 3)
            os.dup2(spare[1], 4)

        command = [found(), *OPTIONS, f"--user-data-dir={self._folder.name}", *options, "about:blank"]
        self._process = subprocess.Popen(
            command, preexec_fn=descriptors, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_read)
        os.close(to_write)
        self._numbers, self._rest, self.messages, self._loaded = itertools.count(1), b"", [], False
        pages = self._call("Target.getTargets")["targetInfos"]
        page = next(t["targetId"] for t in pages if t["type"] == "page")
        self._session = None
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self._call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(20)
        os.close(self._write)
        os.close(self._read)
        self._folder.cleanup()

    def _call(self, method, **params):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if getattr(self, "_session", None):
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._write, data):]
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def _next(self):
        while b"\0" not in self._rest:
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise RuntimeError("the browser has ended")
            self._rest += piece
        line, self._rest = self._rest.split(b"\0", 1)
        said = json.loads(line)
        params = said.get("params", {})
        match said.get("method"):
            case "Runtime.consoleAPICalled":
                self.messages.append(" ".join(str(a.get("value", a.get("description"))) for a in params["args"]))
            case "Runtime.exceptionThrown":
                details = params["exceptionDetails"]
                self.messages.append(details.get("exception", {}).get("description", details["text"]))
            case "Log.entryAdded":
                self.messages.append(params["entry"]["text"])
            case "Page.loadEventFired":
                self._loaded = True
        return said

    def open(self, url):
        self._loaded = False
        self._call("Page.navigate", url=url)
        while not self._loaded:
            self._next()

    def lose_device(self):
        """Ends this browser's process that computes: its page loses the device."""
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                command, own = (folder / "cmdline").read_bytes(), int(folder.name)
                if b"--type=gpu-process" in command and self._process.pid in ancestors(own):
                    os.kill(own, signal.SIGKILL)
            except (OSError, ValueError):
                # It has ended meanwhile.
                continue

    def run(self, function, *arguments):
        """What an async function of JavaScript gives for some arguments."""
        text = f"({function})(...{json.dumps(arguments)})"
        found = self._call("Runtime.evaluate", expression=text, awaitPromise=True, returnByValue=True, userGesture=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise RuntimeError(details.get("exception", {}).get("description", details["text"]))
        return found["result"].get("value")

    def size(self, width, height):
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def dark(self, is_dark):
        scheme = "dark" if is_dark else "light"
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def mouse(self, kind, x, y):
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)

    def screenshot(self, path):
        import base64

        shot = self._call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

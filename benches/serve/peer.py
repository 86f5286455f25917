"""The simplest server of an ONNX model: onnxruntime behind FastAPI, one request at a time.

    pip install fastapi uvicorn onnxruntime numpy
    wgrad export runs/keras-cnn-001 --format onnx --out model.onnx
    python3 benches/serve/peer.py model.onnx 9000 &
    cargo bench --bench serve -- --run runs/keras-cnn-001 --peer http://127.0.0.1:9000/predict
"""

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
name = session.get_inputs()[0].name
app = FastAPI()


class Request(BaseModel):
    instances: list


@app.post("/predict")
def predict(request: Request):
    x = np.asarray(request.instances, dtype=np.float32)
    return {"predictions": session.run(None, {name: x})[0].tolist()}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[2]), log_level="warning")

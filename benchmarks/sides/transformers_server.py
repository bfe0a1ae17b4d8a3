"""A FastAPI server over Transformers' BertForSequenceClassification, as such servers are written: each request is one call of the model.

    python transformers_server.py '{"directory": ..., "dtype": "float32", "length": 128, "threads": 2, "compile": false}'

It takes {"instances": [text, ...]} at TF Serving's path. FastAPI runs the endpoint in a thread; the model answers one request at a time,
with all cores, since calls at the same time, each with as many threads as there are cores, hinder each other. Once it takes requests
it prints {"rest_port": ..., "versions": ...}.
"""

import importlib.metadata
import json
import socket
import sys
import threading

import torch
import transformers
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

LIBRARIES = ("fastapi", "uvicorn", "transformers", "torch")
WARM_UP = ("a", "some words to begin with " * 20)  # as our server does it


class Request(BaseModel):
    instances: list[str]


def main():
    settings = json.loads(sys.argv[1])
    torch.set_num_threads(settings["threads"])
    dtype = getattr(torch, settings["dtype"])
    model = transformers.BertForSequenceClassification.from_pretrained(settings["directory"], dtype=dtype).eval()
    tokenizer = transformers.BertTokenizerFast.from_pretrained(settings["directory"])
    forward = torch.compile(model, dynamic=True) if settings["compile"] else model
    labels = model.config.id2label
    alone = threading.Lock()

    def answer(texts):
        batch = tokenizer(texts, truncation=True, max_length=settings["length"], padding=True, return_tensors="pt")
        with alone, torch.inference_mode():
            shares = forward(**batch).logits.float().softmax(-1)
        return [{"label": labels[row.index(max(row))], "score": max(row), "probabilities": row} for row in shares.tolist()]

    app = FastAPI()

    @app.post("/v1/models/classifier:predict")
    def predict(request: Request):
        return {"predictions": answer(request.instances)}

    for text in WARM_UP:
        answer([text])
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
        print(json.dumps({"rest_port": listening.getsockname()[1], "versions": versions}), flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False)).run(sockets=[listening])


main()

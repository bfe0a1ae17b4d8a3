"""Transformers, where it is installed: what reads the files that we write."""

import os
import pathlib

# Of the version that wrote a config.json, not of the model.
NOT_OF_THE_MODEL = {"transformers_version", "label2id"}

PEERS = pathlib.Path(
    os.environ.get("KERAS_BERT_PEERS_PYTHON") or pathlib.Path(__file__).parents[2] / "benchmarks" / ".peers" / "bin" / "python"
)

# Transformers answers twice, from its own file and from ours. The tensors' bits are compared elsewhere: PyTorch's products of the same bits
# can differ in the last one, by where a file's tensors lie in memory.
TRANSFORMERS_PROGRAM = """
import sys, numpy as np, torch, transformers
own, written, class_name, expected = sys.argv[1:]
arrays = np.load(expected + "/expected.npz")
batch = {name: torch.tensor(arrays[name]).long() for name in ("input_ids", "token_type_ids", "attention_mask")}
answers = []
for path in (own, written):
    model, info = getattr(transformers, class_name).from_pretrained(path, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    with torch.no_grad():
        answers.append({name: value.numpy() for name, value in model.eval()(**batch).items() if hasattr(value, "numpy")})
assert list(answers[0]) == list(answers[1]) and answers[0]
for name, value in answers[0].items():
    np.testing.assert_allclose(value, answers[1][name], atol=1e-6, rtol=0)
    print(name)
"""

"""ONNX Runtime on Transformers' BertForSequenceClassification, exported by torch.onnx; float32 inference only."""

import bert_common
import onnxruntime
import side
import torch
import transformers


class OnnxRuntime(bert_common.ClassifierSide):
    libraries = ("onnxruntime", "torch", "transformers")

    def prepare(self):
        torch.set_num_threads(self.threads)
        settings = self.settings
        model = transformers.BertForSequenceClassification.from_pretrained(settings["directory"], dtype=torch.float32).eval()
        inputs = features(self.batches[0])
        path = f"{settings['scratch']}/model.onnx"
        with torch.inference_mode():
            torch.onnx.export(
                model,
                (),
                path,
                kwargs={name: torch.from_numpy(array) for name, array in bert_common.padded(inputs).items()},
                input_names=list(inputs),
                output_names=["logits"],
            )
        del model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def work(self, batches):
        logits = bert_common.concatenated(self.session.run(["logits"], features(batch))[0] for batch in batches)
        return torch.from_numpy(logits).softmax(-1).numpy()

    def product(self, size):
        left, right = torch.randn(size, size), torch.randn(size, size)  # it has no product of its own to ask for
        return lambda: left @ right


def features(batch):
    return {name: array.astype("int64") for name, array in batch.items() if name != "labels"}


side.serve(OnnxRuntime)

"""Warm-up records: requests that TF Serving sends itself before it serves a version, so that no user waits for a first answer.

Source: tensorflow.org/tfx/serving/saved_model_warmup: TFRecords of PredictionLog in assets.extra.
"""

import os

import tensorflow as tf

NAME = os.path.join("assets.extra", "tf_serving_warmup_requests")
HINT = "tensorflow-serving-api is not installed: no warm-up requests were written; pip install 'keras3-bert[serving]'"


def write_warm_up(path, name, signature, requests):
    """Write a request for each length.

    Args:
        path: version directory. name: of the model, as the server will call it. signature: name of the signature.
        requests: dict of length -> dict of input -> array, strings as bytes.
    Returns: how many were written; 0 where tensorflow-serving-api (extra `serving`) is not installed.
    """
    try:
        from tensorflow_serving.apis import predict_pb2, prediction_log_pb2
    except ImportError:
        return 0
    file = os.path.join(path, NAME)
    os.makedirs(os.path.dirname(file), exist_ok=True)
    with tf.io.TFRecordWriter(file) as writer:
        for inputs in requests.values():
            request = predict_pb2.PredictRequest()
            request.model_spec.name = name
            request.model_spec.signature_name = signature
            for column, value in inputs.items():
                request.inputs[column].CopyFrom(tf.make_tensor_proto(value.tolist() if value.dtype.kind == "S" else value))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
    return len(requests)

"""A server of SavedModels for a laptop and for development, with TF Serving's REST paths and gRPC services. Production is TF Serving.

    python -m export.local_server --model served
    curl -d '{"instances": ["a fine film"]}' localhost:8501/v1/models/served:predict

It needs TensorFlow, tensorflow-text's ops and the extra `serving`; the models need nothing of keras_bert.
"""

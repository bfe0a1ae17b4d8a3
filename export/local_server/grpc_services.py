"""TF Serving's gRPC services: PredictionService and ModelService, with gRPC's health checks and reflection."""

import concurrent.futures
import threading
import time

import grpc
import tensorflow as tf
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

from export.local_server.errors import invalid
from export.local_server.loaded import values_of
from export.local_server.service import classes_of, refused, values_of_regression

PREDICTION, MODEL = "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService"
THREADS = 64  # requests that are answered at the same time; further ones wait


def grpc_server(service, host, port, *, max_bytes):
    """Start the gRPC server.

    Args: service: Service. port: 0: any. max_bytes: of a request.
    Returns: grpc.Server, and the port. Raises: RuntimeError where the port is taken.
    """
    options = [("grpc.max_receive_message_length", max_bytes), ("grpc.max_send_message_length", -1), ("grpc.so_reuseport", 0)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(THREADS, "grpc"), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Prediction(service), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelStatus(service), server)
    checks = _Health(service)
    health_pb2_grpc.add_HealthServicer_to_server(checks, server)
    reflection.enable_server_reflection([PREDICTION, MODEL, health.SERVICE_NAME, reflection.SERVICE_NAME], server)
    bound = server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    server.start()
    return server, bound


def _answering(method):
    """Refuse by gRPC's codes, and count. The method: (self, request, context) -> response."""

    def answer(self, request, context):
        began, error = time.monotonic(), None
        try:
            return method(self, request, context)
        except Exception as raised:
            error = refused(raised)
        finally:
            self.service.counted("gRPC", method.__name__, began, request.model_spec.name, error)
        context.abort(getattr(grpc.StatusCode, error.code), error.message)

    return answer


class Prediction(prediction_service_pb2_grpc.PredictionServiceServicer):
    """Args: service: Service."""

    def __init__(self, service):
        self.service = service

    @_answering
    def Predict(self, request, context):
        model = self._model(request)
        signature = model.signature(request.model_spec.signature_name)
        unknown = sorted(set(request.output_filter) - set(model.outputs[signature]))
        if unknown:
            raise invalid(f"output tensor alias not found in signature: {unknown}; it has {sorted(model.outputs[signature])}")
        inputs = {name: values_of(value) for name, value in request.inputs.items()}
        outputs = self._result(self.service.predict(model, signature, inputs), context)
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, model, signature)
        for name in request.output_filter or outputs:
            response.outputs[name].CopyFrom(tf.make_tensor_proto(outputs[name], model.outputs[signature][name].dtype))
        return response

    @_answering
    def Classify(self, request, context):
        model, outputs = self._of_examples("classify", request, context)
        response = classification_pb2.ClassificationResponse()
        _fill_spec(response.model_spec, model, request.model_spec.signature_name)
        for row in classes_of(outputs):
            classes = response.result.classifications.add().classes
            for label, score in row:
                classes.add(label=label.decode("utf-8", "replace"), score=score)
        return response

    @_answering
    def Regress(self, request, context):
        model, outputs = self._of_examples("regress", request, context)
        response = regression_pb2.RegressionResponse()
        _fill_spec(response.model_spec, model, request.model_spec.signature_name)
        for value in values_of_regression(outputs):
            response.result.regressions.add(value=value)
        return response

    @_answering
    def GetModelMetadata(self, request, context):
        if list(request.metadata_field) != ["signature_def"]:
            raise invalid(f"metadata_field {list(request.metadata_field)} is not supported; ask for signature_def")
        model = self._model(request)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _fill_spec(response.model_spec, model, "")
        definitions = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in model.signature_defs.items():
            definitions.signature_def[name].CopyFrom(definition)
        response.metadata["signature_def"].Pack(definitions)
        return response

    def MultiInference(self, request, context):
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "MultiInference is not supported by this server; send a Classify or Regress request for each signature, or take TF Serving",
        )

    def _model(self, request):
        return self.service.models.get(*_spec(request))

    def _of_examples(self, kind, request, context):
        """Returns: LoadedModel, and dict of output -> array."""
        model = self._model(request)
        which = request.input.WhichOneof("kind")
        if which is None:
            raise invalid("Input is empty.")
        listed = getattr(request.input, which)
        examples = []
        for given in listed.examples:
            example = tf.train.Example()
            if which == "example_list_with_context":
                example.CopyFrom(listed.context)
            for name, feature in given.features.feature.items():
                example.features.feature[name].CopyFrom(feature)
            examples.append(example)
        if not examples:
            raise invalid("Input is empty.")
        return model, self._result(self.service.examples(model, request.model_spec.signature_name, kind, examples), context)

    def _result(self, future, context):
        left = context.time_remaining()
        try:
            return future.result(self.service.timeout if left is None else max(0.0, min(left, self.service.timeout)))
        except BaseException:
            future.cancel()
            raise


class ModelStatus(model_service_pb2_grpc.ModelServiceServicer):
    """Args: service: Service."""

    def __init__(self, service):
        self.service = service

    @_answering
    def GetModelStatus(self, request, context):
        response = get_model_status_pb2.GetModelStatusResponse()
        for version, state, message in self.service.models.status(*_spec(request)):
            status = response.model_version_status.add(version=version, state=state)
            status.status.error_code = 2 if message else 0
            status.status.error_message = message
        return response

    def HandleReloadConfigRequest(self, request, context):
        context.abort(
            grpc.StatusCode.UNIMPLEMENTED,
            "this server's models are those of its command line; start it anew with others, or take TF Serving. New versions of a model "
            "are loaded as they come",
        )


class _Health(health.HealthServicer):
    """SERVING for "" and the services once every model answers.

    Asked at each check; those who watch are told after the first load, and where a check finds a change.
    """

    def __init__(self, service):
        super().__init__()
        self._models = service.models
        self._told = None
        self._note()
        threading.Thread(target=self._note_when_loaded, name="health", daemon=True).start()

    def Check(self, request, context):
        self._note()
        return super().Check(request, context)

    def _note(self):
        ready = health_pb2.HealthCheckResponse.SERVING if self._models.is_ready() else health_pb2.HealthCheckResponse.NOT_SERVING
        with self._lock:
            if ready != self._told:  # each setting is sent to all who watch
                self._told = ready
                for name in ("", PREDICTION, MODEL):
                    self.set(name, ready)

    def _note_when_loaded(self):
        self._models.wait()
        self._note()


def _spec(request):
    """Returns: name, version or None, label or None. Raises: ServingError where no name is given."""
    spec = request.model_spec
    if not spec.name:
        raise invalid("Missing ModelSpec")
    choice = spec.WhichOneof("version_choice")
    return spec.name, spec.version.value if choice == "version" else None, spec.version_label if choice == "version_label" else None


def _fill_spec(spec, model, signature):
    spec.name, spec.signature_name = model.name, signature
    spec.version.value = model.version

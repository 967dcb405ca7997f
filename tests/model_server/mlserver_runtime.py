"""The model of the tests in a real MLServer: it doubles tensor `x`, and refuses records whose `act` is `refuse`."""

from mlserver import MLModel  # type: ignore[import-not-found]  # installed apart, by `make model-server`
from mlserver.codecs import NumpyCodec, StringCodec  # type: ignore[import-not-found]  # as above
from mlserver.errors import InferenceError  # type: ignore[import-not-found]  # as above
from mlserver.types import InferenceRequest, InferenceResponse  # type: ignore[import-not-found]  # as above


class Doubling(MLModel):  # type: ignore[misc]  # as above
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x, act = payload.inputs
        if "refuse" in StringCodec.decode_input(act):
            raise InferenceError("refused")
        doubled = 2 * NumpyCodec.decode_input(x)
        return InferenceResponse(
            model_name=self.name, model_version="7", outputs=[NumpyCodec.encode_output("y", doubled)]
        )

"""The candidate behind a model server: bounded requests by the Open Inference Protocol v2 or plain JSON."""

"""What the Python SDK suite stands on: the server's process, the scene, the recorded client."""

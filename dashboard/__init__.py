"""The browser app: pages read the user's choices, call `pipeline` and draw. No science, no TensorFlow."""

"""Training over many devices and machines: Ray starts the processes and watches them, Keras on JAX trains."""

"""OpenVINO in a process with many threads."""

from __future__ import annotations

import subprocess
import sys

FIRST_AT_ONCE = """
import sys, threading
import numpy as np
from pipeline.inference.runtime import load_openvino

openvino = load_openvino()
ops = openvino.opset13
numbers = ops.parameter([1, 4], np.float32)
compiled = openvino.Core().compile_model(openvino.Model([ops.relu(numbers)], [numbers]), "CPU")
instant = threading.Barrier(10)
sys.setswitchinterval(1e-6)  # between any two steps another thread may go on

def ask():
    request = compiled.create_infer_request()
    instant.wait()
    request.infer([np.full((1, 4), 2, np.float32)])
    answers.append(request.get_output_tensor().data.tolist())

answers = []
threads = [threading.Thread(target=ask) for _ in range(10)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(answers == [[[2.0] * 4]] * 10)
"""


def test_the_first_inferences_of_a_process_may_come_at_one_instant():
    """Its bindings stood still for ever: two threads initialised one static."""
    shown = subprocess.run([sys.executable, "-c", FIRST_AT_ONCE], capture_output=True, text=True, timeout=60)
    assert shown.stdout.strip() == "True", shown.stderr

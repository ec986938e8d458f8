"""What the command line says to bad input: a sentence with the way out, the right status, no traceback.

Status 2 where the request itself is wrong, 0 where every input got its row. One small workspace a module.
The verbs run in this process, but for those whose disk is full or forbidden.

Tested elsewhere: unknown verbs' names and broken files among good ones (test_command_line.py), hostile files
(data/test_hostile.py), folders and CSVs at the function's level (data/test_index.py, test_labels.py), a full
disk during training and in the cache (training/test_train.py, cache/test_cache.py), engines without files
(inference/test_engine.py), pages over a workspace that cannot be made (dashboard/test_shell.py).
"""

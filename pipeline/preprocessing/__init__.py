"""From a slice to what a network sees: arrays in, arrays out.

    from pipeline.preprocessing.apply import preprocess_slice
    from pipeline.preprocessing.recipe import PRESETS

    done = preprocess_slice(image, intensity="grey", recipe=PRESETS["hilum"])
    done.output, done.lung_mask, done.verdict, done.stages

A `Recipe` (recipe.py) says what is done; apply.py does it, stage by stage: fit, windowing, thresholds,
lung isolation (lungs/), edges, the network's input. One algorithm a file; OpenCV works, scikit-image is the
reference in the tests. Binary pictures are uint8 with 0 and 255. Points are (column, row), as in OpenCV;
arrays are indexed (row, column).
"""

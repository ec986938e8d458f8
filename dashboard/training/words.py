"""The form's words: what each setting of a configuration is called on the page, and what it means."""

from __future__ import annotations

from typing import Any

LABELS = {
    "split": "Split", "fold": "Validate on", "classes": "Classes to learn", "recipe": "Recipe",
    "architecture": "Architecture", "weights": "Start from", "from_run": "Run", "file": "Weights file",
    "image_size": "Image size", "sizes": "Smaller sizes first", "batch_size": "Batch size",
    "epochs": "Epochs, at most", "patience": "Stop after, epochs", "monitor": "Best epoch by",
    "head_epochs": "Head first, epochs", "unfreeze": "Then learns", "head_only": "Train the head only",
    "fine_tune_factor": "Rate after the head", "freeze_norm": "Keep the backbone's statistics",
    "feature_copies": "Kept copies of each slice", "optimizer": "Optimizer", "learning_rate": "Learning rate",
    "schedule": "Learning rate over time", "warmup_epochs": "Warm-up, epochs", "weight_decay": "Weight decay",
    "clip_norm": "Longest gradient", "accumulate": "Batches a step", "ema": "Averaged weights",
    "mixed_precision": "Compute in bfloat16", "label_smoothing": "Label smoothing", "dropout": "Dropout",
    "drop_path": "Drop path", "balance": "Smaller classes", "seed": "Seed", "threads": "Threads",
    "deterministic": "The same bits each time", "tensorboard": "Also write TensorBoard's logs",
    "name": "Name of the run", "augment.rotation": "Rotation", "augment.translation": "Shift",
    "augment.zoom": "Zoom", "augment.shear": "Shear", "augment.brightness": "Brightness",
    "augment.contrast": "Contrast", "augment.gamma": "Gamma", "augment.noise": "Noise",
    "augment.blur": "Blur", "augment.cutout": "Cut-out", "augment.horizontal_flip": "Mirror left and right",
}  # fmt: skip

HELP = {
    "fold": "A fold of the split takes the validation part's place; one run a fold tells how much chance "
    "there is in the figures.",
    "classes": "Slices of other classes are left out of this training.",
    "recipe": "How a slice is prepared before the network sees it: see the Preprocess page.",
    "image_size": "Pixels a side that the network sees. Small lesions vanish below about 200; memory and "
    "time grow with the square. Any whole number may be typed.",
    "batch_size": "Slices that the network looks at together. Memory grows with it.",
    "sizes": "The backbone learns on these first, rising, each for as many epochs as on the full size: "
    "faster, and often as good. Validation is at the full size throughout.",
    "patience": "So many epochs without a better one end the training early; 0 never does. Counted in the "
    "last stage.",
    "monitor": "The figure of the validation part that chooses which epoch is kept.",
    "head_epochs": "In the first stage only the head (the last layer) learns, on features that the backbone "
    "computes once; an epoch takes seconds. 0 leaves this stage out.",
    "unfreeze": "What learns beside the head in the second stage. Fewer blocks need less memory, time and "
    "data, and adapt less.",
    "head_only": "The backbone stays as it came, in all epochs.",
    "fine_tune_factor": "The second stage's learning rate as a share of the first's: what the backbone "
    "knows is changed with care.",
    "freeze_norm": "Batch normalisation stays as it came: steadier where batches are small.",
    "feature_copies": "While the head alone learns: so many augmented copies of each slice are looked at "
    "once and kept. 0 looks anew in every epoch, which takes much longer.",
    "optimizer": "AdamW shrinks weights a little at every step (weight decay), Adam does not.",
    "learning_rate": "How far a step goes, at its highest. Too high and the loss jumps about, too low and "
    "nothing is learnt. 0.001 is usual. Any number may be typed.",
    "schedule": "cosine: falls smoothly to a hundredth. constant: stays.",
    "warmup_epochs": "The rate rises to its highest over so many epochs: the first steps do no harm.",
    "weight_decay": "Pulls weights towards nought, against learning by heart.",
    "clip_norm": "Longer gradients are shortened to this, so that one odd batch can't spoil the weights. "
    "0 leaves them.",
    "accumulate": "Gradients of so many batches are averaged into one step: the memory of a small batch, "
    "the step of a large one.",
    "ema": "A moving average of the weights is validated and kept instead of the weights: less chance in "
    "which epoch is best.",
    "mixed_precision": "Half the memory for what is kept, on GPUs that know bfloat16. On an ordinary "
    "processor it is slower.",
    "label_smoothing": "A share of each label is spread over all classes: the model is less sure of itself.",
    "dropout": "Share of the features that is left out at random before the last layer, against learning by "
    "heart.",
    "drop_path": "How often whole blocks are left out at random, the last ones most. Empty: as Keras does.",
    "balance": "More copies: smaller classes are shown as often as the largest, each time augmented "
    "otherwise. Weighted loss: their slices count more. In the training part only.",
    "seed": "Of first weights, order and augmentation: the same seed, the same training.",
    "threads": "Of the learning library; empty leaves it to the library.",
    "deterministic": "A little slower. Needs the same machine and threads.",
    "name": "Empty: made from the choices.",
    "augment.rotation": "Degrees to either side.",
    "augment.translation": "Share of the side, up, down, left, right.",
    "augment.zoom": "Share by which a slice grows or shrinks.",
    "augment.shear": "Degrees by which rows lean.",
    "augment.brightness": "Share of the grey range by which the window's centre moves.",
    "augment.contrast": "Share by which the window narrows or widens.",
    "augment.gamma": "Share by which the exponent over greys changes.",
    "augment.noise": "Highest standard deviation, as a share of the grey range.",
    "augment.blur": "Highest standard deviation of the blur, pixels of the network's input.",
    "augment.cutout": "Side of the largest square that is blanked, as a share of the slice's side.",
    "augment.horizontal_flip": "Off by default: the heart lies left, and a network that sees mirrored chests "
    "can no longer use sides.",
}  # fmt: skip

NAMES: dict[str, dict[Any, str]] = {
    "weights": {
        "imagenet": "ImageNet", "phantom": "phantom-trained", "random": "random weights",
        "run": "a run of mine", "file": "a weights file",
    },
    "balance": {"augment": "more copies", "weights": "weighted loss", "none": "as it is"},
    "monitor": {"val_auc": "validation AUC", "val_loss": "validation loss",
                "val_accuracy": "validation accuracy"},
    "optimizer": {"adamw": "AdamW", "adam": "Adam"},
}  # fmt: skip


def value_text(field: str, value: Any) -> str:
    """Say a setting's value as the form does.

    >>> value_text("ema", 0.0), value_text("augment.zoom", 0.08), value_text("unfreeze", 2)
    ('off', '8 %', 'the top 2 blocks')
    """
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or "none"
    if value in NAMES.get(field, {}):
        return NAMES[field][value]
    if value is None:
        return {"drop_path": "as in Keras", "classes": "all", "fold": "the validation part"}.get(
            field, "none"
        )
    if isinstance(value, bool):
        return "on" if value else "off"
    if field == "unfreeze" and value != "all":
        return f"the top {value} block{'s' if value != 1 else ''}"
    if field == "unfreeze":
        return "all blocks"
    if field == "ema" and not value:
        return "off"
    if field in PERCENT:
        return f"{100 * value:.3g} %"
    return f"{value:g}" if isinstance(value, float) else str(value)


PERCENT = {
    f"augment.{name}"
    for name in ("translation", "zoom", "brightness", "contrast", "gamma", "noise", "cutout")
}


def in_words(sentence: str) -> str:
    """Name settings in a sentence of the pipeline as the page does.

    >>> in_words("'epochs' cannot be 0 (input should be greater than or equal to 1).")
    '“Epochs, at most” cannot be 0 (input should be greater than or equal to 1).'
    """
    for field, label in LABELS.items():
        sentence = sentence.replace(f"'{field}'", f"“{label}”")
    return sentence

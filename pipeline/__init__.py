"""Everything of Hilum that is not a screen: data, preprocessing, training, evaluation, inference, review."""

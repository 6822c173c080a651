"""Features: one encoder, fitted on the training rows, used alike in training, gate and serving."""

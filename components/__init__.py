"""What runs inside a pipeline step: one folder a step, plain Python behind a thin KFP face."""

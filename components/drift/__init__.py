"""Drift: how far the newest batch's columns lie from the reference, and whether to retrain."""

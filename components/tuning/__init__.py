"""Tune: search three model families with Ray Tune, refit the winner, write the candidate bundle."""

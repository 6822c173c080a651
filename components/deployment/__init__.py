"""Deploy, verify, promote: a version goes out as a canary and serves only when it is proven."""

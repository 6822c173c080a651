"""The endpoint on this machine: model servers, and Envoy before them."""

"""HTML pages that the steps show in the dashboard."""

"""Self-contained HTML pages: one file, nothing fetched, readable in dark and light."""

"""What a finished run shows, computed once for whoever shows it: terminal, notebook, page."""

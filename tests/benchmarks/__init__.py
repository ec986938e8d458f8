"""Every speed that Hilum claims, measured beside a peer or a physical limit in one run."""

"""The Train page's parts: the form, what is running, and the table of runs."""

"""Handing an answer on: a bundle that makes it again, a page to read, DICOM for the archive."""

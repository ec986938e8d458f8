"""The test suite mirrors the packages.

It is a package itself because tf-keras-vis installs another one called `tests`.
"""

"""The test suite mirrors the packages. It is a package itself: tf-keras-vis installs another called `tests`."""

"""The verbs of the command line by what they are about; `pipeline.__main__` puts them together.

The modules load in no time: what a verb needs is imported when it is called.
"""

"""Whatever a file holds, what reads it ends in one of our errors.

Each property is tried on some examples with the other tests, and on many more with the
slow ones.
"""

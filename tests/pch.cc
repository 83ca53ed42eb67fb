// Makes the precompiled header of all tests.

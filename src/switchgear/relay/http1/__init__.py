"""The HTTP server slot filled with a lean HTTP/1.1 server of our own on httptools.

Bytes are parsed by llhttp; what is ours is the order of things: bounds, backpressure, disconnects, drain.
"""

"""RTSP 1.0 (RFC 2326) as a client speaks it, without sockets: bytes in, bytes out, no clock, no thread, no disk.

`dialogue` drives one camera from OPTIONS to TEARDOWN; `messages` cuts what the camera sends into messages and stops
where interleaved binary data begins; `desync` finds the way back after garbage. The socket belongs to the caller.
Every error raised here is an `OvertError`, and no text made here shows a password.
"""

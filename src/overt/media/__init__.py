"""From a camera's socket to a fragment: RTSP, RTP, depacketising, ISO BMFF. Sockets only: no disk, no database."""

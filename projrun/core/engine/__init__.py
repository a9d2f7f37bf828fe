"""A container engine: the Docker Engine API (https://docs.docker.com/reference/api/engine/), Podman's too."""

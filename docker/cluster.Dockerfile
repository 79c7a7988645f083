# One image for every node of a Ray cluster: this project with what tuning, exporting and bulk embedding need. Build it
# from the repository's folder; BuildKit leaves out what cluster.Dockerfile.dockerignore says:
#
#   docker build --file docker/cluster.Dockerfile --tag cl2cm-cluster:0.1.0 .
FROM python:3.11-slim

# KubeRay before 1.6 asks for Ray's health with wget.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends wget \
    && rm -rf /var/lib/apt/lists/*

# The libraries are a layer of their own, which changes with the versions alone: torch brings CUDA's, so nodes need no
# more than a driver. They lie in the system's Python because KubeRay may start Ray in a login shell, which forgets PATH.
WORKDIR /opt/cl2cm
COPY pyproject.toml constraints.txt docker/cluster-constraints.txt ./
RUN pip install --no-cache-dir uv \
    && uv pip install --system --no-cache --constraint constraints.txt --constraint cluster-constraints.txt \
        --requirements pyproject.toml --extra tune --extra export --extra video tensorboard

COPY README.md LICENSE ./
COPY cl2cm_plugin cl2cm_plugin
COPY trainer trainer
COPY tuning tuning
RUN uv pip install --system --no-cache --no-deps .

# Which GPUs a pod sees is Kubernetes' business; what a driver is asked for is computing.
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    RAY_USAGE_STATS_ENABLED=0

RUN useradd --create-home --uid 1000 cl2cm
USER 1000:1000
WORKDIR /home/cl2cm
CMD ["cl2cm", "--help"]

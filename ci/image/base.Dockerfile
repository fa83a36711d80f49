# Stands in for outside images where none can be pulled, on a Debian that was made on the spot. Targets: build, for
# python:*-slim with pip, and base, for pytorch/pytorch with a CPU build of torch.
# Context "torch": a folder with its wheel. What torch requires comes from the package index, at the versions of our lock.
ARG DEBIAN
FROM scratch AS torch

# hadolint ignore=DL3006
FROM ${DEBIAN} AS build
RUN --mount=type=bind,source=image/apt.sh,target=/usr/local/bin/apt.sh \
    bash /usr/local/bin/apt.sh python3-pip ca-certificates \
 && ln -s python3 /usr/bin/python

FROM build AS base
ARG TORCH_VERSION
RUN --mount=type=bind,from=torch,target=/torch \
    --mount=type=bind,source=image/pip.sh,target=/usr/local/bin/pip.sh \
    --mount=type=bind,source=requirements.lock,target=/lock.txt \
    --mount=type=secret,id=ca \
    grep -v '^torch==' /lock.txt > /tmp/constraints.txt \
 && bash /usr/local/bin/pip.sh install --find-links /torch --constraint /tmp/constraints.txt "torch==${TORCH_VERSION}" \
 && rm /tmp/constraints.txt
ENV PYTORCH_VERSION=${TORCH_VERSION}

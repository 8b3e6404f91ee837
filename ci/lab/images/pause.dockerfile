FROM scratch
COPY root /
COPY pause/pause /
USER 65535:65535
ENTRYPOINT ["/pause"]

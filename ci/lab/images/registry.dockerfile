# A registry for tests, on port 5000, that keeps nothing when its container goes.
FROM scratch
COPY root /
COPY registry/bin/registry /
COPY registry.yml /etc/distribution/config.yml
# Its default is to look for a collector of traces.
ENV OTEL_TRACES_EXPORTER=none
ENTRYPOINT ["/registry"]
CMD ["serve", "/etc/distribution/config.yml"]

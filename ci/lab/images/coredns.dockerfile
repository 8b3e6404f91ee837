FROM scratch
COPY root /
COPY coredns/bin/coredns /
ENTRYPOINT ["/coredns"]

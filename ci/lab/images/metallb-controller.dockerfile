FROM scratch
COPY root /
COPY metallb/bin/controller /
ENTRYPOINT ["/controller"]

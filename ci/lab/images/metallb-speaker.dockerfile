FROM scratch
COPY root /
COPY metallb/bin/speaker /
ENTRYPOINT ["/speaker"]
